"""Planned and recorded faults. Times in seconds since the run's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.model.trouble import FaultImpact


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One line of a timetable, resolved to absolute times."""

    id: str
    kind: str
    target: str
    start_s: float
    duration_s: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0

    @property
    def end_s(self) -> float:
        """When it is to be healed."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A parsed plan: faults in the order of their start."""

    name: str
    path: Path
    faults: tuple[PlannedFault, ...]
    description: str = ""


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
    was_made: bool = True  # False: the injection itself failed
