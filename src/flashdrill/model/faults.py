"""Planned and recorded faults. Times in seconds since the run's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.model.blast_radius import BlastRadius
from flashdrill.model.condition import Condition
from flashdrill.model.steady_state import SteadyState
from flashdrill.model.trouble import FaultImpact


@dataclass(frozen=True, slots=True)
class Trigger:
    """A start that the run decides.

    With a condition: when it comes true, looked at from `after_s` until `until_s` (seconds since the run's start); when
    it `follows` another such fault, not before `offset_s` after that one's start. Without a condition: just then.
    """

    after_s: float
    until_s: float
    condition: Condition | None = None
    follows: str = ""
    offset_s: float = 0.0
    is_optional: bool = False  # when it never comes, the run is none the worse


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of a timetable, resolved to absolute times.

    `start_s` is the earliest when there is a `trigger`. `drawn` are the values that chance gave, under the plan's keys
    and in base units, times in seconds since the run's start. `seed` is the fault's own; None: derived from the run's.
    """

    id: str
    kind: str
    target: str
    start_s: float
    duration_s: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
    trigger: Trigger | None = None
    drawn: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    @property
    def end_s(self) -> float:
        """When it is to be healed."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A parsed plan: faults in the order of their start. `seeds` are what chance was drawn by, for each plan."""

    name: str
    path: Path
    faults: tuple[PlannedFault, ...]
    description: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)
    blast_radii: tuple[BlastRadius, ...] = ()
    steady_states: tuple[SteadyState, ...] = ()
    aborts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """What became of a fault. `start_s` and `end_s` are when it was really made and healed.

    `detect_s` is the time from the start to the first operation or event that shows it, `degrade_s` to the
    first degraded level of its target, `recover_s` from the end until operations are as before; None when
    nothing was seen to measure. `impact` is what customers saw of it.
    """

    id: str
    kind: str
    target: str
    start_s: float
    end_s: float
    effect_observed: bool
    healed: bool
    evidence: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    detect_s: float | None = None
    recover_s: float | None = None
    degrade_s: float | None = None
    impact: FaultImpact | None = None
    slows: bool = False  # slow answers are a sign of it
    was_made: bool = True  # False: the injection itself failed, or was never tried
    was_due: bool = True  # False: it is optional, and its moment never came
    condition: str = ""  # what it waited for; empty: its start was planned
    drawn: Mapping[str, Any] = field(default_factory=dict)  # as in PlannedFault

    @property
    def is_sound(self) -> bool:
        """Whether the run can tell, as far as this fault goes: seen and healed, or not due at all."""
        return not self.was_due or (self.effect_observed and self.healed)
