"""What a run has found so far. It is filled as the run goes on, so that an interrupted run still has a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flashdrill.model.calibration import Calibration
from flashdrill.model.climbed import Climbed
from flashdrill.model.faults import FaultRecord
from flashdrill.model.reads import FinalReads
from flashdrill.model.steady_state import Aborted, Watched
from flashdrill.observe.samples import SampleTable


@dataclass(slots=True)
class Trace:
    """Times are CLOCK_MONOTONIC nanoseconds; `t0_ns` is 0 until the first arrival is due."""

    t0_ns: int = 0
    load_ended_ns: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict)
    faults: list[FaultRecord] = field(default_factory=list)
    fault_events: list[dict[str, Any]] = field(default_factory=list)
    service_events: list[dict[str, Any]] = field(default_factory=list)
    crowd: dict[str, Any] = field(default_factory=dict)  # the crowd's own totals
    seconds: list[dict[str, Any]] = field(default_factory=list)
    samples: SampleTable | None = None
    drain_s: float | None = None
    reads: FinalReads | None = None
    problems: list[str] = field(default_factory=list)  # what makes the run inconclusive
    rig_failed_ns: int = 0  # since when the rig itself could not be trusted; 0: it always could
    rig_failure: str = ""
    absences: list[tuple[int, int]] = field(
        default_factory=list
    )  # when nobody answered, from and to
    steady: list[Watched] = field(default_factory=list)
    aborted: Aborted | None = None
    stopped_s: float | None = (
        None  # when flashdrill itself ended the load early, since the run's start
    )
    stop_reason: str = ""  # why, when neither a condition nor the steady state did it
    stack_error: str = ""
    was_interrupted: bool = False
    calibration: Calibration | None = None
    climbed: Climbed | None = None  # what a climb has ordered and why it ended

    def interrupted(self) -> None:
        """Note that somebody ended the run."""
        self.was_interrupted = True
