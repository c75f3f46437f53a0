"""The crowd under Locust's own command line: in one process, or as a master and its workers.

    master ── begin {start, share} ──> each worker ── its share of the schedule ──> service
           <── ended {counts, doubts} ──

Locust starts, connects and stops the processes, and shows its figures; when anybody comes is the scenario's business.
So the numbers of users that Locust is given do not matter: its users stand by, and each process plays its share.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_PASS
from flashdrill.load.player import Player
from flashdrill.load.shares import Part, Share, divided, lines

BEGIN, ENDED, STOP = "flashdrill-begin", "flashdrill-ended", "flashdrill-stop"
LEAD_S = 2.0
"""Between the word to begin and the first arrival: every worker has heard it by then."""

WATCH_S = 0.25
LAST_WORDS_S = 15.0
"""After a stop: how long the workers may take to say what became of their shares."""

PUZZLED_S = LEAD_S + 3.0
"""After the start of a test: how long a worker may wait for a share before it says that it has none."""

logger = logging.getLogger(__name__)


def attach(environment: Environment, player: Player) -> None:
    """Let this process play its role, which its runner says."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        Master(environment, runner).listen()
    elif isinstance(runner, WorkerRunner):
        Worker(environment, runner, player).listen()
    else:
        Alone(environment, player).listen()


class Alone:
    """One process that sends the whole schedule."""

    def __init__(self, environment: Environment, player: Player) -> None:
        self._environment, self._player = environment, player

    def listen(self) -> None:
        """Begin with Locust's test, and end with it."""
        events: Any = self._environment.events
        events.test_start.add_listener(lambda **_: gevent.spawn(self._run))
        events.test_stopping.add_listener(lambda **_: self._player.stop())
        events.quitting.add_listener(lambda **_: self._player.leave())

    def _run(self) -> None:
        share = Share(time.time_ns() + round(LEAD_S * 1e9))
        part = self._player.safely(share)
        _finish(self._environment, {"": share}, {"": part})


class Worker:
    """A process that sends what its master gives it."""

    def __init__(self, environment: Environment, runner: WorkerRunner, player: Player) -> None:
        self._environment, self._runner, self._player = environment, runner, player

    def listen(self) -> None:
        """Begin when the master says so."""
        self._runner.register_message(BEGIN, self._begin, concurrent=True)
        self._runner.register_message(STOP, lambda **_: self._player.stop())
        events: Any = self._environment.events
        events.test_start.add_listener(lambda **_: gevent.spawn_later(PUZZLED_S, self._wonder))
        events.quitting.add_listener(lambda **_: self._player.leave())

    def _begin(self, msg: Any, **_: object) -> None:
        share = Share.from_message(msg.data)
        logger.info("share %d of %d of the schedule", share.worker + 1, share.workers)
        part = self._player.safely(share)
        for line in lines({"": share}, {"": part})[:1]:
            logger.info(line)
        self._runner.send_message(ENDED, part.message())

    def _wonder(self) -> None:
        if not self._player.is_playing:
            logger.warning(
                "this worker has no share of the test that runs: it came after the start"
            )


class Master:
    """Divides the schedule among the workers that are there when the test starts, and hears what became of it."""

    def __init__(self, environment: Environment, runner: MasterRunner) -> None:
        self._environment, self._runner = environment, runner
        self._shares: dict[str, Share] = {}
        self._parts: dict[str, Part] = {}
        self._gone: set[str] = set()
        self._stopped_at: float | None = None

    def listen(self) -> None:
        """Begin with Locust's test, and end with it."""
        self._runner.register_message(ENDED, self._heard)
        events: Any = self._environment.events
        events.test_start.add_listener(self._begin)
        events.test_stopping.add_listener(self._stop)

    def _begin(self, **_: object) -> None:
        clients = self._runner.clients
        ids = [client.id for client in (*clients.ready, *clients.spawning, *clients.running)]
        self._shares = divided(ids, time.time_ns() + round(LEAD_S * 1e9))
        self._parts, self._gone, self._stopped_at = {}, set(), None
        for name, share in self._shares.items():
            self._runner.send_message(BEGIN, share.message(), client_id=name)
        gevent.spawn(self._watch)

    def _stop(self, **_: object) -> None:
        self._stopped_at = time.monotonic()
        for name in self._shares:
            self._runner.send_message(STOP, client_id=name)

    def _heard(self, msg: Any, **_: object) -> None:
        if msg.node_id in self._shares:
            self._parts[msg.node_id] = Part.from_message(msg.data)

    def _watch(self) -> None:
        while self._awaited() and not self._is_enough():
            gevent.sleep(WATCH_S)
        _finish(self._environment, self._shares, self._parts)

    def _awaited(self) -> list[str]:
        """The workers that still owe an answer; one that is gone is told of once."""
        clients = self._runner.clients
        for name, share in self._shares.items():
            is_gone = name not in clients or clients[name].state == STATE_MISSING
            if is_gone and name not in self._parts and name not in self._gone:
                self._gone.add(name)
                logger.warning(
                    "worker %d of %d is gone: its share of the schedule is not sent",
                    share.worker + 1,
                    share.workers,
                )
        return [name for name in self._shares if name not in self._parts and name not in self._gone]

    def _is_enough(self) -> bool:
        stopped = self._stopped_at
        return stopped is not None and time.monotonic() - stopped > LAST_WORDS_S


def _finish(environment: Environment, shares: dict[str, Share], parts: dict[str, Part]) -> None:
    """Say how it ended, and end Locust's test; without a web UI the process too."""
    is_whole = len(parts) == len(shares) and not any(part.doubts for part in parts.values())
    for line in lines(shares, parts):
        (logger.info if is_whole else logger.warning)(line)
    environment.process_exit_code = EXIT_PASS if is_whole else EXIT_INCONCLUSIVE
    runner = environment.runner
    if runner is None:
        return
    if environment.parsed_options is not None and environment.parsed_options.headless:
        runner.quit()
    else:
        runner.stop()
