"""How much can be sent, and how much the service can take: the typed source of `capacity` in `summary.json`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flashdrill.model.calibration import Calibration


class StepState(StrEnum):
    """What a step of a climb shows."""

    KEPT_UP = "kept up"
    PAST = "past the knee"
    GENERATOR = "generator was the limit"


class Ended(StrEnum):
    """Why a climb came to its end."""

    KNEE = "knee"
    TOP = "top"  # the last step kept up
    FIRST = "first step"  # that one did not keep up already
    GENERATOR = "generator"
    STOPPED = "stopped"  # the run ended before the climb did


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a climb; `rate_per_s` is what it was to offer, `offered_per_s` what the schedule has in it.

    `achieved_per_s` is `offered_per_s` less what was due in the step and not answered in it, failures included: past
    the knee, what the service can do. Below it, what is out at the step's end as it is at any moment is no loss.
    """

    stage: str
    rate_per_s: float
    offered_per_s: float
    achieved_per_s: float
    state: StepState
    p99_s: float | None = None
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Knee:
    """What a climb has found; None where it found nothing. All rates are arrivals a second.

    `knee_per_s` lies between `low_per_s`, which the highest step that kept up achieved, and `high_per_s`, which the
    lowest step past the knee was offered.
    """

    ended: Ended
    sentence: str
    knee_per_s: float | None = None
    low_per_s: float | None = None
    high_per_s: float | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found; None where nothing was looked for. `peak_per_s` is the schedule's busiest rate of arrivals."""

    generator: Calibration | None = None
    peak_per_s: float = 0.0
    knee: Knee | None = None

    @property
    def is_beyond_generator(self) -> bool:
        """Whether the schedule asks for more than can be sent: each arrival is an operation at least."""
        return self.generator is not None and self.peak_per_s > self.generator.operations_per_s
