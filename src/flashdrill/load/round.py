"""One test of a master, from Start to what the last worker says of its share.

    call ──> here {its clock}       a few times: who is there, and how far the clocks are apart
    begin {start, share} ──>
             ──> ended {part}       or stop, or a worker that is gone

The network, the clocks and the waiting are arguments: nothing here knows Locust.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from flashdrill.load.account import Account, Part
from flashdrill.load.clocks import Reading, reading
from flashdrill.load.shares import Orders, Share, divided

CALL, HERE = "flashdrill-call", "flashdrill-here"
BEGIN, ENDED, STOP = "flashdrill-begin", "flashdrill-ended", "flashdrill-stop"

LEAD_S = 2.0
"""Between the word to begin and the first arrival: every worker has heard it by then."""

CALLS = 3
CALL_S = 0.1
MUSTER_S = 30.0
"""How long workers may take to answer: one that has just connected may still be reading its scenario."""

WATCH_S = 0.25
LAST_WORDS_S = 15.0
"""After a stop: how long the workers may take to say what became of their shares."""

logger = logging.getLogger(__name__)


class Link(Protocol):
    """The way to the workers."""

    def send(self, worker: str, kind: str, data: Mapping[str, Any]) -> None:
        """Send a message to a worker."""

    def is_lost(self, worker: str) -> bool:
        """Whether nothing has been heard from a worker for too long."""


class Round:
    """Divides the schedule among the workers that answer, and waits for what becomes of it.

    `conduct` takes as long as the test; `here`, `ended` and `stop` are called meanwhile, from other greenlets.
    """

    def __init__(
        self,
        orders: Orders,
        link: Link,
        workers: Sequence[str],
        *,
        sleep: Callable[[float], object],
        epoch_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers = tuple(workers)
        self.number = epoch_ns()
        self._orders, self._link = orders, link
        self._sleep, self._epoch_ns, self._clock_s = sleep, epoch_ns, clock_s
        self._readings: dict[str, list[Reading]] = {name: [] for name in workers}
        self._shares: dict[str, Share] = {}
        self._parts: dict[str, Part] = {}
        self._gone: set[str] = set()
        self._start_ns = self.number
        self._stopped_s: float | None = None
        self._is_over = False

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped from outside."""
        return self._stopped_s is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is waited for."""
        return self._is_over

    @property
    def account(self) -> Account:
        """What is known by now."""
        return Account(
            self._orders,
            self._start_ns,
            self._shares,
            dict(self._parts),
            is_stopped=self.is_stopped,
            is_over=self._is_over,
        )

    def muster(self) -> None:
        """Call the workers, read their clocks, and give each that answers its share."""
        deadline_s = self._clock_s() + MUSTER_S
        while (silent := self._silent()) and self._clock_s() < deadline_s and not self.is_stopped:
            for name in silent:
                self._link.send(name, CALL, {"round": self.number, "asked_ns": self._epoch_ns()})
            self._sleep(CALL_S)
        self._start_ns = self._epoch_ns() + round(LEAD_S * 1e9)
        if not self.is_stopped:
            self._divide()

    def watch(self) -> None:
        """Wait until every worker has said what became of its share, or is gone."""
        while self._awaited() and not self._has_waited_enough():
            self._sleep(WATCH_S)
        self._is_over = True

    def here(self, worker: str, data: Mapping[str, Any]) -> None:
        """A worker has answered a call."""
        if data["round"] == self.number and worker in self._readings:
            asked_ns, told_ns = int(data["asked_ns"]), int(data["told_ns"])
            read = reading(asked_ns=asked_ns, told_ns=told_ns, heard_ns=self._epoch_ns())
            self._readings[worker].append(read)

    def ended(self, worker: str, data: Mapping[str, Any]) -> None:
        """A worker says what became of its share; of another round, it is not counted."""
        if data["round"] == self.number and worker in self._shares:
            self._parts[worker] = Part.from_message(data)

    def stop(self) -> None:
        """No more arrivals, and a bounded wait for the last words."""
        if self._stopped_s is None and not self._is_over:
            self._stopped_s = self._clock_s()
            for name in self._shares:
                self._link.send(name, STOP, {})

    def _silent(self) -> list[str]:
        return [
            name
            for name, heard in self._readings.items()
            if len(heard) < CALLS and not self._link.is_lost(name)
        ]

    def _divide(self) -> None:
        answered = {
            name: min(heard, key=lambda read: read.error_ns)
            for name, heard in self._readings.items()
            if heard and not self._link.is_lost(name)
        }
        if len(answered) < len(self.workers):
            logger.warning(
                "%d of %d workers did not answer: the others share the schedule",
                len(self.workers) - len(answered),
                len(self.workers),
            )
        self._shares = divided(answered, self._start_ns)
        for name, share in self._shares.items():
            self._link.send(name, BEGIN, {"round": self.number, **share.message()})

    def _awaited(self) -> list[str]:
        """The workers that still owe an answer; one that is gone is told of once."""
        waiting = [name for name in self._shares if name not in self._parts]
        if self.is_stopped:  # Locust signs workers off and on again after a stop
            return [name for name in waiting if name not in self._gone]
        lost = [name for name in waiting if self._link.is_lost(name)]
        for name in lost:
            if name not in self._gone:
                self._gone.add(name)
                logger.error(
                    "%s is gone: its share is not sent, the load is smaller than the schedule",
                    self._shares[name].name,
                )
        return [name for name in waiting if name not in lost]

    def _has_waited_enough(self) -> bool:
        return self._stopped_s is not None and self._clock_s() - self._stopped_s > LAST_WORDS_S
