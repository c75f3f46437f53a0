"""A Locust worker elsewhere: it gets its share from a master (`load.master`), sends it, and hands in its record.

Run as `python -m flashdrill.load.recruit HOST PORT`, for one run. The specification, with the run's secret, stays in
memory; the locustfile and the record are in a folder that goes with the process.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import WorkerRunner
from locust.util.load_locustfile import load_locustfile

import flashdrill
from flashdrill.errors import (
    EXIT_INCONCLUSIVE,
    EXIT_PASS,
    EXIT_STACK,
    ConfigError,
    FlashdrillError,
)
from flashdrill.load.calibration import calibrate
from flashdrill.load.crowd import OpenCrowd
from flashdrill.load.driver import Driver
from flashdrill.load.fence import fence_in, fenced
from flashdrill.load.master import ACK, BEGIN, BYE, CALL, CHUNK, END, FULL, HELLO, HERE, SHARE, STOP
from flashdrill.load.mirror import Outbox
from flashdrill.load.spec import CrowdSpec

HELD = "--held"
"""On the command line: the process ends with its standard input."""

SHIP_S = 0.05
BEGIN_TIMEOUT_S = 300.0
HAND_IN_TIMEOUT_S = 60.0
"""For the rest of the record to be acknowledged once the load is over."""

BYE_TIMEOUT_S = 5.0
SAY_AGAIN_S = 0.5
LISTEN_S = 0.5
SILENT_S = 5.0
"""A master calls twice a second. One that has not for so long, once the load has begun, is gone, and so is the run."""

MASTER_GONE = "nothing was heard of the master for 5 s: the run is over"
NO_SHARE = "the master gave no share"

logger = logging.getLogger(__name__)


class Recruit:
    """One worker for one run; `stop` may be called at any time."""

    def __init__(self, runner: WorkerRunner, folder: Path) -> None:
        self._runner, self._folder = runner, folder
        self._share: AsyncResult[Mapping[str, Any]] = AsyncResult()
        self._begin: AsyncResult[int] = AsyncResult()
        self._bye = Event()
        self._driver: Driver | None = None
        self._is_stopped = self._is_closing = self._is_cut_short = False
        self._silent_s = 0.0  # since the master called, in which this process ran
        self._outboxes = {name: Outbox(folder / name) for name in ("ops", "live")}
        answers: dict[str, Callable[..., Any]] = {
            CALL: self._answer,
            SHARE: lambda msg, **_: self._share.set(msg.data),
            FULL: lambda msg, **_: self._share.set({"why": msg.data["why"]}),
            BEGIN: lambda msg, **_: self._begin.set(int(msg.data["t0_ns"])),
            STOP: lambda **_: self.stop(),
            ACK: self._acknowledge,
            BYE: lambda **_: self._bye.set(),
        }
        for kind, answer in answers.items():
            runner.register_message(kind, answer)

    def serve(self) -> int:
        """From the first word to the last; the exit code."""
        name = socket.gethostname()
        self._say(HELLO, {"name": name, "version": flashdrill.__version__})
        try:
            share = self._share.get(timeout=BEGIN_TIMEOUT_S)
        except gevent.Timeout:
            logger.error(NO_SHARE)  # noqa: TRY400  (a message for people, no traceback)
            return EXIT_STACK
        if share.get("why"):
            logger.error("no share is sent: %s", share["why"])
            return EXIT_INCONCLUSIVE
        chores = [gevent.spawn(self._ship), gevent.spawn(self._listen)]
        why = self._safely(share)
        is_handed_in = self._hand_in() if not why else False
        gevent.killall(chores)
        self._say_end(why)
        return EXIT_PASS if is_handed_in and not self._is_cut_short else EXIT_INCONCLUSIVE

    @property
    def _is_forsaken(self) -> bool:
        """Whether the master is gone: nobody is left to hand anything in to."""
        return self._silent_s > SILENT_S

    def stop(self) -> None:
        """No more arrivals; what is open is recorded as unknown."""
        self._is_stopped = True
        self._begin.set(0)
        if not self._share.ready():
            self._share.set({"why": "it was stopped before it had one"})
        if self._driver is not None:
            self._driver.stop()

    def _safely(self, share: Mapping[str, Any]) -> str:
        """Play the share; why that went wrong, in words."""
        try:
            self._play(self._spec(share))
        except FlashdrillError as error:
            return error.message
        except gevent.Timeout:
            return "the master did not say when to begin"
        except Exception as error:
            logger.exception("the worker cannot go on")
            return f"{type(error).__name__}: {error}"
        return ""

    def _spec(self, share: Mapping[str, Any]) -> CrowdSpec:
        """Its own specification, with the files in its own folder."""
        spec = msgspec.json.decode(share["spec"], type=CrowdSpec, dec_hook=lambda k, v: k(v))
        code = self._folder / "locustfile.py"
        code.write_bytes(share["code"])
        ops, live, start = (str(self._folder / name) for name in ("ops", "live", "start"))
        return msgspec.structs.replace(
            spec, locustfile=str(code), ops_path=ops, live_path=live, start_path=start
        )

    def _play(self, spec: CrowdSpec) -> None:
        fence_in(spec.hosts)
        crowd = _crowd_of(Path(spec.locustfile), self._runner.environment)
        calibration = asdict(calibrate(spec)) if spec.calibrate_s else None
        self._driver = Driver(spec, crowd.journeys_for(spec))
        try:
            self._driver.ready(calibration=calibration)
            t0_ns = self._begin.get(timeout=spec.start_timeout_s)
            if not self._is_stopped:
                logger.warning("%r sends its share", spec)
                self._driver.run(t0_ns)
        finally:
            self._is_cut_short = self._is_stopped
            self._is_closing = True  # the last line of live comes after the whole history
            self._driver.close(**fenced())

    def _listen(self) -> None:
        """End the load when the master is gone: a load without its run must not go on."""
        while not self._is_forsaken:
            gevent.sleep(LISTEN_S)  # after a SIGSTOP it counts as one, however long it was
            self._silent_s = self._silent_s + LISTEN_S if self._begin.ready() else 0.0
        logger.error(MASTER_GONE)
        self.stop()

    def _ship(self) -> None:
        while True:
            for file, outbox in self._outboxes.items():
                if file == "live" and self._is_closing and not self._outboxes["ops"].is_empty:
                    continue
                for offset, data in outbox.chunks(time.monotonic()):
                    self._say(CHUNK, {"file": file, "offset": offset, "data": data})
                    gevent.sleep(0)
            gevent.sleep(SHIP_S)

    def _say(self, kind: str, data: dict[str, Any]) -> None:
        """Send a message. One that cannot leave is lost like one on the way: whatever matters is said again."""
        with contextlib.suppress(RPCError):
            self._runner.send_message(kind, data)

    def _hand_in(self) -> bool:
        """Wait until the master has everything; whether it has."""
        deadline_s = time.monotonic() + HAND_IN_TIMEOUT_S
        while time.monotonic() < deadline_s and not self._is_forsaken:
            if all(outbox.is_empty for outbox in self._outboxes.values()):
                return True
            gevent.sleep(SHIP_S)
        logger.error("the master did not take the whole record")
        return False

    def _say_end(self, why: str) -> None:
        deadline_s = time.monotonic() + BYE_TIMEOUT_S
        while not self._bye.is_set() and time.monotonic() < deadline_s and not self._is_forsaken:
            self._say(END, {"why": why})
            self._bye.wait(SAY_AGAIN_S)

    def _answer(self, msg: Any, **_: object) -> None:
        self._silent_s = 0.0
        self._say(HERE, {**msg.data, "told_ns": time.monotonic_ns()})

    def _acknowledge(self, msg: Any, **_: object) -> None:
        outbox = self._outboxes[str(msg.data["file"])]
        outbox.acknowledged(int(msg.data["offset"]), time.monotonic())


def _crowd_of(path: Path, environment: Environment) -> OpenCrowd:
    """The crowd of a locustfile. Raises ConfigError when it has none, or cannot be imported here."""
    try:
        kinds, _ = load_locustfile(str(path))
    except ImportError as error:
        raise ConfigError(
            f"the locustfile cannot be imported here: {error}",
            remedy="install what it imports on the worker's machine; files beside it do not come with it",
        ) from error
    crowds = [kind for kind in kinds.values() if issubclass(kind, OpenCrowd)]
    if len(crowds) != 1 or len(kinds) != 1:
        raise ConfigError(
            f"the locustfile has {len(crowds)} crowds and {len(kinds) - len(crowds)} other classes of users: a worker "
            "elsewhere takes one crowd and nothing else"
        )
    return crowds[0](environment)


def main(host: str, port: int, *, is_held: bool = False) -> int:
    """The process. When it is held, it ends with its standard input, which is whoever started it."""
    recruits: list[Recruit] = []

    def stop() -> None:
        if not recruits:
            raise SystemExit(EXIT_INCONCLUSIVE)  # no master has answered yet
        recruits[0].stop()

    gevent.signal_handler(signal.SIGTERM, stop)
    gevent.signal_handler(signal.SIGINT, stop)
    if is_held:
        watcher = gevent.get_hub().loop.io(sys.stdin.fileno(), 1)
        watcher.start(_let_go, watcher, stop)
    try:
        runner = Environment().create_worker_runner(host, port)
    except ConnectionError:
        print(f"flashdrill: no master answers at {host}:{port}", file=sys.stderr)
        return EXIT_STACK
    with tempfile.TemporaryDirectory(prefix="flashdrill-worker-") as folder:
        recruits.append(Recruit(runner, Path(folder)))
        return recruits[0].serve()


def _let_go(watcher: Any, stop: Callable[[], None]) -> None:
    """Called by the hub: whoever started this process has ended."""
    watcher.stop()
    gevent.spawn(stop)


if __name__ == "__main__":
    logging.basicConfig(format="worker: %(message)s")
    sys.exit(main(sys.argv[1], int(sys.argv[2]), is_held=sys.argv[3:] == [HELD]))
