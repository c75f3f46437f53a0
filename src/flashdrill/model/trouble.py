"""What customers met: answers that were not what they had asked for, slow operations, and a fault seen from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One way in which requests of one kind of operation were not fulfilled.

    An operation may meet several and still end well: `answers` counts requests, `decided` the
    operations that ended so. Times in seconds since the run's start.
    """

    operation: str
    outcome: str  # refused, fail, unknown
    reason: str
    status: int  # 0: no answer
    answers: int
    decided: int
    first_s: float
    last_s: float
    faults: tuple[str, ...] = ()  # in force between the first and the last
    share_during_faults: float = 0.0  # of the answers, those that came while any fault was in force
    examples: tuple[
        str, ...
    ] = ()  # up to three operations: an idempotency key, an order or an op_id


@dataclass(frozen=True, slots=True)
class AttemptTimes:
    """One request of a slow operation; `from_s` counts from when the operation was due."""

    from_s: float
    took_s: float
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class SlowOperation:
    """One of the slowest operations, taken apart. Times in seconds.

    `response_s` = `lateness_s` (the generator's) + the attempts + the pauses between them; `waited` and `held` are
    the service's own account of the last answer (its Server-Timing header), by resource.
    """

    op_id: int
    operation: str
    stage: str
    due_s: float
    response_s: float
    lateness_s: float
    outcome: str
    reason: str
    attempts: tuple[AttemptTimes, ...]
    waited: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()  # in force at some time between due and done
    key: str = ""


@dataclass(frozen=True, slots=True)
class FaultImpact:
    """The operations that were open at some time while a fault was in force: how they ended, and how long they took.

    `retried` needed more than one request. `p99_before_s` is of what was answered in the 10 s before the fault and met
    no other; None when that was too little. Times in seconds.
    """

    operations: int
    ok: int  # acknowledged, the queued ones among them
    queued: int
    refused: int
    fail: int
    info: int
    retried: int
    answers_by_status: Mapping[str, int]  # of all their requests; `none`: no answer
    p50_s: float | None
    p99_s: float | None
    p99_before_s: float | None
