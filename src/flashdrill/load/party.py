"""The crowd under Locust's own command line: in one process, or as a master and its workers (round.py).

Locust starts, connects and stops the processes, and shows its figures; when anybody comes is the scenario's business.
So the numbers of users that Locust is given do not matter: its users stand by, and each process plays its share.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_PASS
from flashdrill.load.account import Account
from flashdrill.load.player import Player
from flashdrill.load.round import BEGIN, CALL, ENDED, HERE, LEAD_S, STOP, Round
from flashdrill.load.shares import Orders, Share

HELLO, LATE = "flashdrill-hello", "flashdrill-late"
"""A worker that has just come says so, and is told when it is too late for the test that runs."""

logger = logging.getLogger(__name__)


def attach(environment: Environment, player: Player) -> None:
    """Let this process play its role, which its runner says."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        Master(environment, runner, player.orders).listen()
    elif isinstance(runner, WorkerRunner):
        Worker(environment, runner, player).listen()
    else:
        Alone(environment, player).listen()


class Alone:
    """One process that sends the whole schedule."""

    def __init__(self, environment: Environment, player: Player) -> None:
        self._environment, self._player = environment, player
        self._is_stopped = False
        self._tests = 0

    def listen(self) -> None:
        """Begin with Locust's test, and end with it."""
        events: Any = self._environment.events
        events.test_start.add_listener(self._begin)
        events.test_stopping.add_listener(self._stop)
        events.quitting.add_listener(lambda **_: self._player.leave())

    def _begin(self, **_: object) -> None:
        self._tests += 1
        self._is_stopped = False
        gevent.spawn(self._run, self._tests, self._player.ticket())

    def _run(self, test: int, ticket: int) -> None:
        orders = self._player.orders
        share = Share(time.time_ns() + round(LEAD_S * 1e9))
        _open(self._environment, Account(orders, share.epoch_ns, {"": share}))
        part = self._player.safely(share, ticket)
        was_stopped = self._is_stopped or test != self._tests
        account = Account(orders, share.epoch_ns, {"": share}, {"": part}, was_stopped, True)
        _close(self._environment, account, is_last=test == self._tests)

    def _stop(self, **_: object) -> None:
        self._is_stopped = True
        self._player.stop()


class Worker:
    """A process that sends what its master gives it."""

    def __init__(self, environment: Environment, runner: WorkerRunner, player: Player) -> None:
        self._environment, self._runner, self._player = environment, runner, player

    def listen(self) -> None:
        """Begin when the master says so, and end then, or with the process."""
        self._environment.process_exit_code = EXIT_PASS  # failed operations are no error of ours
        self._runner.register_message(CALL, self._answer)
        self._runner.register_message(BEGIN, self._begin)
        self._runner.register_message(STOP, lambda **_: self._player.stop())
        self._runner.register_message(LATE, self._sit_out)
        events: Any = self._environment.events
        events.quitting.add_listener(lambda **_: self._player.leave())
        self._runner.send_message(HELLO)

    def _answer(self, msg: Any, **_: object) -> None:
        self._runner.send_message(HERE, {**msg.data, "told_ns": time.time_ns()})

    def _begin(self, msg: Any, **_: object) -> None:
        self._environment.process_exit_code = EXIT_INCONCLUSIVE  # until its share is sent
        gevent.spawn(self._play, msg.data, self._player.ticket())

    def _play(self, data: Mapping[str, Any], ticket: int) -> None:
        share = Share.from_message(data)
        logger.info("%s: this process sends its share of the schedule; %s", share.name, share.clock)
        part = self._player.safely(share, ticket)
        logger.info("%s: %s", share.name, part)
        self._environment.process_exit_code = EXIT_PASS if part.counts else EXIT_INCONCLUSIVE
        self._runner.send_message(ENDED, {"round": data["round"], **part.message()})

    def _sit_out(self, **_: object) -> None:
        logger.warning("this worker came after the start: it takes no part in the test that runs")


class Master:
    """Divides the schedule among the workers that are there when the test starts, and hears what became of it."""

    def __init__(self, environment: Environment, runner: MasterRunner, orders: Orders) -> None:
        self._environment, self._runner, self._orders = environment, runner, orders
        # The last one is the current one; an earlier one may be at its last words.
        self._rounds: list[Round] = []

    def listen(self) -> None:
        """Begin with Locust's test, and end with it."""
        self._runner.register_message(HELLO, self._hello)
        self._runner.register_message(HERE, self._here)
        self._runner.register_message(ENDED, self._ended)
        events: Any = self._environment.events
        events.test_start.add_listener(self._begin)
        events.test_stopping.add_listener(self._stop)

    def send(self, worker: str, kind: str, data: Mapping[str, Any]) -> None:
        """Send a message to a worker (`round.Link`)."""
        self._runner.send_message(kind, dict(data), client_id=worker)

    def is_lost(self, worker: str) -> bool:
        """Whether Locust misses a worker (`round.Link`)."""
        clients = self._runner.clients
        return worker not in clients or clients[worker].state == STATE_MISSING

    def _begin(self, **_: object) -> None:
        clients = self._runner.clients
        present = [client.id for client in (*clients.ready, *clients.spawning, *clients.running)]
        self._rounds.append(Round(self._orders, self, present, sleep=gevent.sleep))
        gevent.spawn(self._conduct, self._rounds[-1])

    def _stop(self, **_: object) -> None:
        for test in self._rounds:
            test.stop()

    def _conduct(self, test: Round) -> None:
        test.muster()
        _open(self._environment, test.account)
        test.watch()
        _close(self._environment, test.account, is_last=test is self._rounds[-1])
        self._rounds.remove(test)

    def _here(self, msg: Any, **_: object) -> None:
        for test in self._rounds:
            test.here(msg.node_id, msg.data)

    def _ended(self, msg: Any, **_: object) -> None:
        for test in self._rounds:
            test.ended(msg.node_id, msg.data)

    def _hello(self, msg: Any, **_: object) -> None:
        if self._rounds and msg.node_id not in self._rounds[-1].workers:
            logger.warning("worker %s came after the start: it has no share", msg.node_id)
            self.send(msg.node_id, LATE, {})


def _open(environment: Environment, account: Account) -> None:
    """Say what is going to happen, and leave a record that says `running` if nobody comes to close it."""
    environment.process_exit_code = EXIT_INCONCLUSIVE
    logger.info(
        "the scenario %r says who comes when: the numbers of users and the spawn rate do not matter",
        account.orders.name,
    )
    for share in account.shares.values() if len(account.shares) > 1 else ():
        logger.info("%s: %s", share.name, share.clock)
    _write(account)


def _close(environment: Environment, account: Account, *, is_last: bool) -> None:
    """Say how it ended, and end Locust's test; without a web UI the process too."""
    for line in account.lines():
        (logger.info if account.is_trusted else logger.warning)("%s", line)
    is_written = _write(account)
    runner = environment.runner
    if not is_last or runner is None:  # the next test has begun: it is not ours to end
        return
    is_good = account.is_trusted and is_written
    environment.process_exit_code = EXIT_PASS if is_good else EXIT_INCONCLUSIVE
    if environment.parsed_options is not None and environment.parsed_options.headless:
        runner.quit()
    elif not account.is_stopped:
        runner.stop()


def _write(account: Account) -> bool:
    try:
        path = account.write()
    except OSError as error:
        logger.error("the run's record cannot be written: %s", error)  # noqa: TRY400
        return False
    if account.is_over:
        logger.info("the run's record: %s", path)
    return True
