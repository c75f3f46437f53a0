"""What the crowd meets, by operation and second, while the load runs: conditions are looked at here.

An operation counts in the second in which it ended; its response time starts when it was due. A second in which
none ended says nothing of shares and response times, and that the rate is 0. A condition is true when every second of
the last `for_s` makes it true (without `for` the last second); a second that says nothing does not.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from flashdrill.load.buckets import quantile_s
from flashdrill.model.condition import Condition

FULL_S = 0.5
"""What a shorter line tells (the last one of a load) is no second."""
JITTER_S = 0.05
"""By so much each second may be shorter than it should."""
KEPT_S = 900.0


@dataclass(slots=True)
class Numbers:
    """How operations ended in a stretch of time, with their response times by bucket."""

    ok: int = 0
    refused: int = 0
    fail: int = 0
    info: int = 0
    response: Counter[int] = field(default_factory=Counter)

    @classmethod
    def told(cls, line: Mapping[str, Any]) -> Self:
        """From one operation of a line of live.jsonl."""
        response = Counter({int(number): n for number, n in line["response"].items()})
        return cls(line["ok"], line["refused"], line["fail"], line["info"], response)

    def add(self, other: Numbers) -> None:
        """Take in the numbers of another operation, or of another second."""
        self.ok += other.ok
        self.refused += other.refused
        self.fail += other.fail
        self.info += other.info
        self.response.update(other.response)

    def value(self, metric: str, length_s: float) -> float | None:
        """A condition's metric over so many seconds; None when there is nothing to measure."""
        ended = self.ok + self.refused + self.fail + self.info
        if metric == "rate":
            return self.ok / length_s
        if metric == "error_rate":
            return (self.fail + self.info) / ended if ended else None
        if metric == "refusal_rate":
            return self.refused / ended if ended else None
        share = 1.0 if metric == "max" else float(metric[1:]) / 100
        return quantile_s(self.response, share)


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the load, `start_s` to `end_s` since the run's start."""

    start_s: float
    end_s: float
    operations: Mapping[str, Numbers]

    @property
    def length_s(self) -> float:
        """How long it really was."""
        return self.end_s - self.start_s


def measured(seconds: Iterable[Second], condition: Condition) -> float | None:
    """A condition's value over some seconds together; None when they say nothing."""
    total, length_s = Numbers(), 0.0
    for second in seconds:
        length_s += second.length_s
        for kind, numbers in second.operations.items():
            if condition.operation in ("", kind):
                total.add(numbers)
    return total.value(condition.metric, length_s) if length_s else None


class LiveNumbers:
    """Takes in the seconds of a load of `load_s` seconds, and answers conditions; what comes later is not looked at."""

    def __init__(self, load_s: float) -> None:
        self._load_s = load_s
        self._seconds: deque[Second] = deque()
        self._told_s = 0.0
        self._waiting: list[tuple[Condition, asyncio.Future[float]]] = []

    def take(self, line: Mapping[str, Any]) -> Second | None:
        """One line `second` of live.jsonl; None when it is not a full second of the load."""
        start_s, self._told_s = self._told_s, float(line["t_s"])
        kinds = {kind: Numbers.told(told) for kind, told in line.get("operations", {}).items()}
        second = Second(start_s, self._told_s, kinds)
        if second.length_s < FULL_S or second.end_s > self._load_s + FULL_S:
            return None
        self._seconds.append(second)
        while self._seconds[0].end_s < second.end_s - KEPT_S:
            self._seconds.popleft()
        for condition, coming in self._waiting:
            if not coming.done() and self.is_true(condition):
                coming.set_result(time.monotonic())
        return second

    def between(self, start_s: float, end_s: float) -> list[Second]:
        """The seconds that lie wholly within a stretch, oldest first."""
        return [
            second
            for second in self._seconds
            if second.start_s >= start_s - JITTER_S and second.end_s <= end_s + JITTER_S
        ]

    def window(self, length_s: float) -> list[Second]:
        """The last seconds that make up so much (at least one), oldest first; empty when there are not as many yet."""
        taken: list[Second] = []
        missing_s = length_s
        for second in reversed(self._seconds):
            taken.insert(0, second)
            missing_s -= second.length_s
            if missing_s <= JITTER_S * len(taken):
                return taken
        return []

    def is_true(self, condition: Condition) -> bool:
        """Whether a condition has held for as long as it asks, up to the last second."""
        window = self.window(condition.for_s)
        return bool(window) and all(
            condition.is_met(measured([second], condition)) for second in window
        )

    async def until(self, condition: Condition) -> float:
        """Wait until a condition is true, looked at with each new second; the moment (monotonic clock, seconds)."""
        coming: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((condition, coming))
        try:
            return await coming
        finally:
            self._waiting.remove((condition, coming))
