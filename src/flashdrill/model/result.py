"""What a run found: the typed source of `summary.json` and of every report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flashdrill.model.capacity import Capacity
from flashdrill.model.faults import FaultRecord
from flashdrill.model.steady_state import Aborted, SteadyResult
from flashdrill.model.trouble import ErrorKind, SlowOperation


class InvariantStatus(StrEnum):
    """A checker's answer."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One checker's answer, in words, with up to ten example ids."""

    name: str
    status: InvariantStatus
    expected: str
    found: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotChecked:
    """An invariant that nobody asked for, and why: it neither holds nor is it violated."""

    name: str
    reason: str


class Conclusion(StrEnum):
    """How a run ends."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INTERRUPTED = "interrupted"
    STACK_FAILED = "stack_failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run's end, its reasons (most important first) and the exit code."""

    conclusion: Conclusion
    reasons: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate's answer; `value` is None when there was nothing to measure; an invalid stage never passes."""

    text: str
    status: str  # pass, fail, unknown
    value: float | None
    limit: float
    unit: str  # s, share, per_s
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StageValidity:
    """Whether a stage's figures can be trusted, and why not."""

    stage: str
    is_valid: bool
    reasons: tuple[str, ...]
    due: int
    sent: int
    lateness_p99_s: float | None
    lateness_limit_s: float
    connection_waits: int
    generator_cpu: float | None  # busiest load process, share of one core


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Times in seconds; None without samples."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class OperationStats:
    """One kind of operation in one stage (or in the whole run: stage empty)."""

    stage: str
    kind: str
    due: int
    sent: int
    ok: int
    queued: int  # of the ok ones, those answered 202
    refused: int  # definite business refusals
    fail: int  # definite technical failures
    info: int
    error_rate: float
    refusal_rate: float
    response: Percentiles  # done - due
    service: Percentiles  # done - sent
    lateness: Percentiles  # sent - due


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """What `users` who wait for their answers would have told of a kind of operation in a stage: a model.

    `response` (done - due) is of all that were sent, `closed` (done - sent) of those that they would have sent.
    """

    stage: str
    operation: str
    users: int
    response: Percentiles
    closed: Percentiles

    def pairs(self) -> dict[str, tuple[float, float]]:
        """p99 and p95: (open, closed), seconds."""
        both = {
            "p99": (self.response.p99, self.closed.p99),
            "p95": (self.response.p95, self.closed.p95),
        }
        return {k: (a, b) for k, (a, b) in both.items() if a is not None and b is not None}


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """A resource's effective utilisation over a stretch of the run.

    `utilisation` = Δ(hold - inner wait) / (Δt · capacity); `bound_per_s` = capacity / E[hold - inner wait].
    """

    resource: str
    utilisation: float
    bound_per_s: float | None
    uses: float
    capacity: float
    wait_s: float
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The named resource or None, in words, with the ranking as evidence."""

    named: str | None
    sentence: str
    remedy: str
    ranking: tuple[ResourceUse, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Per-second series over the run, for the report's panels. Every list has one entry a second."""

    t_s: list[float]
    due_per_s: list[float]
    sent_per_s: list[float]
    ok_per_s: list[float]
    queued_per_s: list[float]
    refused_per_s: list[float]
    fail_per_s: list[float]
    info_per_s: list[float]
    p50_s: list[float | None]
    p99_s: list[float | None]
    series: dict[
        str, list[tuple[float, float]]
    ]  # "breaker shard0" -> [(t_s, value)], "queue shard0", "level shard0"
    has_service_events: bool = True  # False: the service told nothing of its breakers and levels


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything that the reports say."""

    verdict: Verdict
    scenario: Mapping[str, Any]
    chaos: Mapping[str, Any]
    seed: int
    started_at: str  # UTC, ISO 8601
    duration_s: float
    load: Mapping[str, Any]  # totals: due, sent, ok, ..., generator
    operations: tuple[OperationStats, ...]
    stages: tuple[Mapping[str, Any], ...]
    faults: tuple[FaultRecord, ...]
    invariants: tuple[Invariant, ...]
    audit: Mapping[str, Any]  # drain_s, final read counts
    bottleneck: Bottleneck
    capacity: Capacity
    gates: tuple[GateResult, ...]
    validity: tuple[StageValidity, ...]
    environment: Mapping[str, Any]
    timeline: Timeline
    command: str
    events: tuple[Mapping[str, Any], ...] = field(default=())
    errors: tuple[ErrorKind, ...] = ()  # most answers first
    slowest: tuple[SlowOperation, ...] = ()  # slowest first
    steady_state: tuple[SteadyResult, ...] = ()  # one for each condition
    aborted: Aborted | None = None
    not_checked: tuple[NotChecked, ...] = ()
    closed_loop: tuple[ClosedLoop, ...] = ()  # where a closed loop would have told something else
