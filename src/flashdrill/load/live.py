"""What the load process says while it runs: one JSON line a second, whose counts and times add up
over seconds and processes.

Times are in buckets (`load.buckets`): a percentile is right to 1 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flashdrill.errors import FlashdrillError
from flashdrill.load.buckets import bucket, quantile_s
from flashdrill.model.op import INFO, NOT_SENT, OK, Op

MAX_ERROR_LINES = 20
"""Errors of the crowd's own code that are told in full; the rest are only counted."""


@dataclass(slots=True)
class Tally:
    """Counts over a stretch of the run. `due` counts arrivals, the others operations."""

    due: int = 0
    sent: int = 0
    ok: int = 0
    queued: int = 0
    refused: int = 0
    fail: int = 0
    info: int = 0
    not_sent: int = 0
    connection_waits: int = 0

    def take_in(self, other: Tally) -> None:
        """Add the counts of another stretch."""
        for name, count in other.counts().items():
            setattr(self, name, getattr(self, name) + count)

    def take_kind(self, kind: _Kind) -> None:
        """Add the counts of a kind of operation."""
        for name in _SHARED:
            setattr(self, name, getattr(self, name) + getattr(kind, name))

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Kind:
    """One kind of operation in a second: how they ended, and response times by bucket (`load.buckets`)."""

    ok: int = 0
    queued: int = 0
    refused: int = 0
    fail: int = 0
    info: int = 0
    not_sent: int = 0
    connection_waits: int = 0
    response: dict[int, int] = field(default_factory=dict)

    def add(self, op: Op) -> None:
        """Count an operation that has ended."""
        outcome = op.outcome
        if outcome is OK:
            self.ok += 1
            if op.reason == "queued":
                self.queued += 1
        elif outcome is INFO:
            self.info += 1
        elif op.is_refusal:
            self.refused += 1
        else:
            self.fail += 1
        if op.connection_wait_ns > 0:
            self.connection_waits += 1
        if op.sent_ns == NOT_SENT:
            self.not_sent += 1
        else:
            number = bucket(op.done_ns - op.due_ns)
            self.response[number] = self.response.get(number, 0) + 1

    def told(self) -> dict[str, object]:
        """As it stands in the file."""
        return {name: getattr(self, name) for name in _TOLD}


_SHARED = ("ok", "queued", "refused", "fail", "info", "not_sent", "connection_waits")
_TOLD = ("ok", "refused", "fail", "info", "response")


@dataclass(slots=True)
class _Second:
    tally: Tally = field(default_factory=Tally)
    kinds: dict[str, _Kind] = field(default_factory=dict)
    lateness: dict[int, int] = field(default_factory=dict)


class LiveLog:
    """Appends to live.jsonl. `clock_ns` is CLOCK_MONOTONIC, `cpu_s` the process' CPU time."""

    def __init__(
        self, path: Path, *, clock_ns: Callable[[], int], cpu_s: Callable[[], float]
    ) -> None:
        self._file = path.open("wb")
        self._clock_ns, self._cpu_s = clock_ns, cpu_s
        self._second = _Second()
        self._since = (clock_ns(), cpu_s())
        self.totals = Tally()
        self.max_cpu = 0.0
        self.errors = 0
        self.lateness_max_ns = 0

    def event(self, name: str, **facts: object) -> None:
        """Say something now."""
        if not self._file.closed:
            self._file.write(msgspec.json.encode({"event": name, **facts}) + b"\n")
            self._file.flush()

    def due(self) -> None:
        """An arrival's time has come."""
        self._second.tally.due += 1

    def sent(self, lateness_ns: int) -> None:
        """An operation leaves, so late."""
        second = self._second
        second.tally.sent += 1
        number = bucket(lateness_ns)
        second.lateness[number] = second.lateness.get(number, 0) + 1
        self.lateness_max_ns = max(self.lateness_max_ns, lateness_ns)

    def ended(self, op: Op) -> None:
        """An operation has ended."""
        kinds = self._second.kinds
        kind = kinds.get(op.kind)
        if kind is None:
            kind = kinds[op.kind] = _Kind()
        kind.add(op)

    def error(self, journey: str, text: str) -> None:
        """The crowd's own code has failed: counted, and the first ones told."""
        self.errors += 1
        if self.errors <= MAX_ERROR_LINES:
            self.event("error", journey=journey, error=text)

    def second(self, *, t_s: float, stage: str, in_flight: int) -> None:
        """Close the current second and say what was in it."""
        second = self._close_second()
        cpu = self._cpu_share()
        self.max_cpu = max(self.max_cpu, cpu)
        self.event(
            "second",
            t_s=round(t_s, 3),
            stage=stage,
            **second.tally.counts(),
            **percentiles(added(kind.response for kind in second.kinds.values()), second.lateness),
            lateness=second.lateness,
            in_flight=in_flight,
            cpu=round(cpu, 4),
            operations={name: kind.told() for name, kind in sorted(second.kinds.items())},
        )

    def done(self, *, t_s: float, was_interrupted: bool, **facts: object) -> None:
        """Say the totals, those of the second that is not over too, and end; harmless when repeated."""
        self._close_second()
        self.event(
            "done",
            t_s=round(t_s, 3),
            **self.totals.counts(),
            crowd_errors=self.errors,
            max_cpu=round(self.max_cpu, 4),
            lateness_max_ms=round(self.lateness_max_ns / 1e6, 3),
            interrupted=was_interrupted,
            **facts,
        )
        self._file.close()

    def _close_second(self) -> _Second:
        """The second that is over, in the totals; another begins."""
        second, self._second = self._second, _Second()
        for kind in second.kinds.values():
            second.tally.take_kind(kind)
        self.totals.take_in(second.tally)
        return second

    def _cpu_share(self) -> float:
        now = (self._clock_ns(), self._cpu_s())
        before, self._since = self._since, now
        elapsed_s = (now[0] - before[0]) / 1e9
        return (now[1] - before[1]) / elapsed_s if elapsed_s > 0 else 0.0


def tell_refusal(path: Path, why: FlashdrillError) -> None:
    """Say, in the place of everything else, that nothing will be played, and why."""
    told = {"event": "refused", "why": why.message, "remedy": why.remedy}
    path.write_bytes(msgspec.json.encode(told) + b"\n")


def added(parts: Iterable[Mapping[int, int]]) -> Counter[int]:
    """The times of several kinds, seconds or processes together."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total


def percentiles(
    response: Mapping[int, int], lateness: Mapping[int, int]
) -> dict[str, float | None]:
    """What a second says of its times, in milliseconds; None where there were none."""
    return {
        "p50_ms": _milliseconds(response, 0.50),
        "p95_ms": _milliseconds(response, 0.95),
        "p99_ms": _milliseconds(response, 0.99),
        "lateness_p99_ms": _milliseconds(lateness, 0.99),
    }


def _milliseconds(times: Mapping[int, int], share: float) -> float | None:
    found = quantile_s(times, share)
    return None if found is None else round(found * 1e3, 3)
