"""What a run tells whoever looks on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flashdrill.model.result import RunResult


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """What the service said of itself last. `age_s` is how long ago, None when it has never answered.

    `breakers` are `closed`, `half-open` or `open` by dependency; `levels` by shard: 0 direct writes, from 1 on
    through the durable queue; `queues` the records that wait, by shard.
    """

    breakers: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class LiveSecond:
    """One second of load as it happened. Counts are of this second, percentiles None when nothing ended in it."""

    t_s: float  # its end, seconds since the run's start
    total_s: float  # how long the load is planned to last, seconds
    stage: str
    due: int  # arrivals whose time came
    sent: int  # operations that left, later steps of a customer's journey included
    ok: int  # operations acknowledged, the queued ones included
    queued: int  # of the ok ones, those answered 202
    refused: int  # definite business refusals, such as sold out
    fail: int  # definite technical failures
    info: int  # operations of unknown outcome
    in_flight: int  # operations open at its end
    p50_ms: float | None  # response time (done - due) of the operations that ended, milliseconds
    p95_ms: float | None
    p99_ms: float | None
    lateness_p99_ms: float | None  # sent - due of the operations that left, milliseconds
    cpu: float  # of the load process, share of one core
    faults: tuple[str, ...]  # ids of those in force
    service: ServiceNow = ServiceNow()


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over, and the folder that holds everything about it."""

    result: RunResult
    folder: Path


class Watcher(Protocol):
    """The terminal, or a test. It is called in the run's event loop: it must return at once and never raise."""

    def phase(self, text: str) -> None:
        """A new part of the run has begun."""

    def server_ready(self, name: str, seconds: float) -> None:
        """One server of the stack answers, so long after it was asked to start."""

    def second(self, live: LiveSecond) -> None:
        """One second of load is over."""

    def fault(self, event: dict[str, object]) -> None:
        """A fault changed its phase (see `chaos.timetable.Chaos` for the keys)."""

    def waiting(self, records: int | None) -> None:
        """After the load: so many records wait in the durable queues; None when the service does not say."""
