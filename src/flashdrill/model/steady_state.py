"""The steady state of a system, and what became of it in a run. Times in seconds since the run's start."""

from __future__ import annotations

from dataclasses import dataclass, field

from flashdrill.model.condition import Condition

BACK_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class SteadyState:
    """What holds while all is well: before the faults, and again soon after the last of them."""

    conditions: tuple[Condition, ...]
    back_within_s: float = BACK_WITHIN_S


@dataclass(frozen=True, slots=True)
class Look:
    """A condition's value over a time; None when nothing was measured."""

    start_s: float
    end_s: float
    value: float | None


@dataclass(slots=True)
class Watched:
    """What was seen of one condition. `before` is None until it was looked at."""

    condition: Condition
    back_within_s: float
    before: Look | None = None
    seconds: list[Look] = field(default_factory=list)  # each by itself
    windows: list[Look] = field(default_factory=list)  # the last few seconds together, each second


@dataclass(frozen=True, slots=True)
class Breach:
    """A stretch in which a condition did not hold, and the value that was furthest from it."""

    from_s: float
    to_s: float
    worst: float


@dataclass(frozen=True, slots=True)
class SteadyResult:
    """What became of one condition of the steady state.

    `before`: holds, broken, unknown; `during`: holds, broken, unknown, no fault, and `broken` says when; `after`: back,
    not back, unknown, no fault. Values and the limit are in `unit`; `back_s` counts from the end of the last fault.
    """

    text: str
    unit: str  # s, share, per_s
    limit: float
    back_within_s: float
    before: str
    before_value: float | None
    during: str
    broken: tuple[Breach, ...]
    after: str
    after_value: float | None
    back_s: float | None
    reason: str = ""  # why something of it is unknown


@dataclass(frozen=True, slots=True)
class Aborted:
    """A condition that ended the run early: its value from `from_s` to `at_s`, in `unit`.

    `doubt` says why the load generator cannot be trusted in that time; empty: it can.
    """

    text: str
    value: float
    unit: str
    from_s: float
    at_s: float
    doubt: str = ""
