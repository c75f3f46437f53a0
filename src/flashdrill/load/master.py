"""The load process of a run whose workers are elsewhere: a Locust master that hands out shares and gathers records.

    hello ──>            <── call {clock} / here ──>          <── share {spec, locustfile}
    <── begin {start}    chunks of the record ──>             <── acks          end ──>

Run as `python -m flashdrill.load.master FILE`. What workers record is mirrored in the run's folder.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

import flashdrill
from flashdrill.load.child import READY_TIMEOUT_S
from flashdrill.load.clocks import Reading, Readings, reading
from flashdrill.load.hall import Orders
from flashdrill.load.mirror import Inbox
from flashdrill.load.spec import CrowdSpec, read_spec

HELLO, FULL, CALL, HERE, SHARE, BEGIN, STOP, CHUNK, ACK, END, BYE = (
    f"flashdrill-{name}"
    for name in (
        *("hello", "full", "call", "here", "share", "begin"),
        *("stop", "chunk", "ack", "end", "bye"),
    )
)
TICK_S = 0.02
CALL_S = 0.5
RECENT = 8
"""The clock is taken from the best of so many last readings."""

LAST_WORDS_S = 4.0


class Guest:
    """A worker that has a share."""

    def __init__(self, identity: str, name: str, worker: int, spec: CrowdSpec) -> None:
        self.identity, self.name, self.worker, self.spec = identity, name, worker, spec
        self.inboxes = {
            "ops": Inbox(Path(spec.ops_path)),
            "live": Inbox(Path(spec.live_path)),
        }
        self.readings = Readings(RECENT)
        self.start: Reading | None = None
        self.called_s, self.heard_s = 0.0, time.monotonic()
        self.is_told = self.is_lost = self.is_ended = False

    @property
    def error_ns(self) -> int:
        """How well its times are known: the error at the start, and how far its clock has certainly drifted since."""
        assert self.start is not None
        now = self.readings.best
        drift_ns = max(0, abs(now.ahead_ns - self.start.ahead_ns) - now.error_ns)
        return self.start.error_ns + drift_ns


class Master:
    """Welcomes as many workers as there are shares, and stays until each has ended or is lost."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._specs = [read_spec(Path(path)) for path in orders.specs]
        self._shares = [Path(path).read_bytes() for path in orders.specs]
        self._code = Path(self._specs[0].locustfile).read_bytes()
        self._events = Path(orders.events_path).open("w", encoding="utf-8")  # noqa: SIM115  (as long as the process)
        self._guests: dict[str, Guest] = {}
        self._stopped_s: float | None = None
        self._has_begun = False
        environment = Environment()
        self._runner: MasterRunner = environment.create_master_runner(orders.host, orders.port)
        hears = ((HELLO, self._hello), (HERE, self._here), (CHUNK, self._chunk), (END, self._end))
        for kind, heard in hears:
            self._runner.register_message(kind, heard)
        self._tell("listening", host=orders.host, port=orders.port)

    def stay(self) -> None:
        """Until nobody is awaited any more."""
        while not self._is_over():
            gevent.sleep(TICK_S)
            for guest in self._guests.values():
                self._look_after(guest)
            if not self._has_begun and Path(self._orders.start_path).exists():
                self._begin(json.loads(Path(self._orders.start_path).read_text())["t0_mono_ns"])
        self._runner.quit()

    def close(self) -> None:
        """Nothing more is heard or told."""
        for guest in self._guests.values():
            for inbox in guest.inboxes.values():
                inbox.close()
        self._events.close()

    def stop(self) -> None:
        """No more arrivals, and a bounded wait for the rest of the records."""
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()
            for guest in self._guests.values():
                self._send(guest, STOP)

    def _is_over(self) -> bool:
        if self._stopped_s is not None and time.monotonic() - self._stopped_s > LAST_WORDS_S:
            return True
        away = [guest for guest in self._guests.values() if guest.is_ended or guest.is_lost]
        is_full = len(self._guests) == len(self._specs) or self._stopped_s is not None
        return is_full and len(away) == len(self._guests)

    def _look_after(self, guest: Guest) -> None:
        if guest.is_ended or guest.is_lost:
            return
        now_s = time.monotonic()
        if self._is_missed(guest, now_s):
            self._lose(guest, "")
            return
        if now_s - guest.called_s > (CALL_S if guest.readings.is_full else TICK_S):
            guest.called_s = now_s
            self._send(guest, CALL, asked_ns=time.monotonic_ns())
        if not guest.is_told and guest.readings.is_full:
            guest.is_told = True
            self._send(guest, SHARE, spec=self._shares[guest.worker])

    def _is_missed(self, guest: Guest, now_s: float) -> bool:
        """Whether Locust misses a worker, and for too long: until the start an import may keep it from answering for as
        long as a load process may take to be ready."""
        client = self._runner.clients.get(guest.identity)
        if client is None or client.state != STATE_MISSING:
            guest.heard_s = now_s
            return client is None
        return self._has_begun or now_s - guest.heard_s > READY_TIMEOUT_S

    def _begin(self, t0_ns: int) -> None:
        self._has_begun = True
        for guest in self._guests.values():
            guest.start = guest.readings.best
            self._send(guest, BEGIN, t0_ns=t0_ns + guest.start.ahead_ns)
            self._tell_clock(guest)

    def _hello(self, msg: Any, **_: object) -> None:
        name, version = str(msg.data["name"]), msg.data["version"]
        why = ""
        if version != flashdrill.__version__:
            why = f"it is flashdrill {version}, the master {flashdrill.__version__}"
        elif len(self._guests) == len(self._specs):
            why = f"{len(self._specs)} workers were expected, and they are here"
        if why:
            self._tell("refused", name=name, why=why)
            self._runner.send_message(FULL, {"why": why}, client_id=msg.node_id)
        elif msg.node_id not in self._guests:
            worker = len(self._guests)
            self._guests[msg.node_id] = Guest(msg.node_id, name, worker, self._specs[worker])
            self._tell("joined", worker=worker, name=name)

    def _here(self, msg: Any, **_: object) -> None:
        if guest := self._guests.get(msg.node_id):
            told = {name: int(msg.data[name]) for name in ("asked_ns", "told_ns")}
            told_here = reading(**told, heard_ns=time.monotonic_ns())
            guest.readings.take(told_here, has_begun=self._has_begun)

    def _chunk(self, msg: Any, **_: object) -> None:
        if guest := self._guests.get(msg.node_id):
            file = str(msg.data["file"])
            if file == "live" and guest.start is not None:
                self._tell_clock(guest)  # first: whoever reads the last line asks for it
            try:
                size = guest.inboxes[file].take(int(msg.data["offset"]), msg.data["data"])
            except OSError as error:
                self._lose(guest, f"its record could not be written here: {error.strerror}")
                return
            self._send(guest, ACK, file=file, offset=size)

    def _end(self, msg: Any, **_: object) -> None:
        if guest := self._guests.get(msg.node_id):
            if not guest.is_ended:
                self._ended(guest, str(msg.data["why"]))
            self._send(guest, BYE)

    def _ended(self, guest: Guest, why: str) -> None:
        if guest.start is not None:
            self._tell_clock(guest)
        elif not why and self._stopped_s is None:
            why = "it was stopped before the start"
        if why:
            self._tell("lost", worker=guest.worker, name=guest.name, why=why)
        guest.is_ended = True

    def _lose(self, guest: Guest, why: str) -> None:
        if not guest.is_lost:
            guest.is_lost = True
            self._tell("lost", worker=guest.worker, name=guest.name, why=why)

    def _tell_clock(self, guest: Guest) -> None:
        assert guest.start is not None
        shift_ns, error_ns = -guest.start.ahead_ns, guest.error_ns
        self._tell("clock", worker=guest.worker, shift_ns=shift_ns, error_ns=error_ns)

    def _tell(self, event: str, **facts: object) -> None:
        self._events.write(json.dumps({"event": event, **facts}) + "\n")
        self._events.flush()

    def _send(self, guest: Guest, kind: str, **data: object) -> None:
        if kind == SHARE:
            data["code"] = self._code
        self._runner.send_message(kind, data, client_id=guest.identity)


def main(path: Path) -> int:
    """The process."""
    master = Master(msgspec.json.decode(path.read_bytes(), type=Orders))
    gevent.signal_handler(signal.SIGTERM, master.stop)
    gevent.signal_handler(signal.SIGINT, master.stop)
    master.stay()
    master.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
