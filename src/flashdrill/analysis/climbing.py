"""Which step a climb takes next: the same for the same steps seen.

    climb    one step after the other, until two in a row did not keep up: the knee is before the first of them
    bisect   between the highest step that kept up below it and the lowest that did not, as often as was asked for

A step kept up when at least 97 % of what was due in it was answered, or was out at its end as it is at any moment. One
in which the generator itself was the limit says nothing of the service.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flashdrill.model.capacity import Ended, Step, StepState
from flashdrill.model.scenario import Climb

KEPT_UP_SHARE = 0.97
IN_A_ROW = 2
SAMPLING_ERRORS = 3.0
"""By so many of its standard deviations may the number in flight be off at the ends of a step."""


@dataclass(frozen=True, slots=True)
class Next:
    """The step to take."""

    label: str
    per_s: float


def state_of(offered_per_s: float, achieved_per_s: float, is_generator: bool) -> StepState:
    """What a step shows."""
    if is_generator:
        return StepState.GENERATOR
    kept_up = achieved_per_s >= KEPT_UP_SHARE * offered_per_s
    return StepState.KEPT_UP if kept_up else StepState.PAST


def usually_out(still_open: int, open_before: int, per_s: float, service_s: float) -> int:
    """How many of the operations that are open at a step's end are out as at any moment, and nothing that piled up.

    In flight are per_s · service_s in the mean (Little's law), and by chance the root of it more or less. Those that
    were open before the step are answered in it, in the place of as many.
    """
    mean = per_s * service_s
    return min(
        still_open, math.ceil(max(0.0, mean - open_before) + SAMPLING_ERRORS * math.sqrt(mean))
    )


def following(climb: Climb, seen: Sequence[Step]) -> Next | Ended:
    """The next step after those seen, which are in their order, or why there is none."""
    climbed = [step for step in seen if not step.is_extra]
    extra = len(seen) - len(climbed)
    turn = turning_point(climbed, len(climb.rates))
    if turn is None:
        if len(climbed) < len(climb.rates):
            return Next(str(len(climbed) + 1), climb.rates[len(climbed)])
        return Ended.TOP
    if climbed[turn].state is StepState.GENERATOR:
        return Ended.GENERATOR
    low, high = bracket(seen, len(climb.rates))
    if low is None or high is None:
        return Ended.FIRST
    if extra >= climb.bisections or (seen[-1].state is StepState.GENERATOR and extra):
        return Ended.KNEE
    return Next(f"b{extra + 1}", (low.rate_per_s + high.rate_per_s) / 2)


def turning_point(climbed: Sequence[Step], planned: int) -> int | None:
    """The first of two steps in a row that did not keep up (of `planned` steps the last one alone); None without."""
    fell_back = [step.state is not StepState.KEPT_UP for step in climbed]
    for place in range(len(climbed)):
        row = fell_back[place : place + IN_A_ROW]
        is_confirmed = len(row) == IN_A_ROW and all(row)
        if is_confirmed or (fell_back[place] and place == planned - 1):
            return place
    return None


def bracket(seen: Sequence[Step], planned: int) -> tuple[Step | None, Step | None]:
    """The highest step that kept up below the lowest that is past the knee, and that one; None for want of any.

    A step of the climb that did not keep up while the next one did was chance: it bounds nothing.
    """
    climbed = [step for step in seen if not step.is_extra]
    turn = turning_point(climbed, planned)
    doubtful = climbed if turn is None else climbed[:turn]
    past = [s for s in seen if s.state is StepState.PAST and s not in doubtful]
    high = min(past, key=lambda s: s.rate_per_s, default=None)
    if high is None:
        return None, None
    kept = [s for s in seen if s.state is StepState.KEPT_UP and s.rate_per_s < high.rate_per_s]
    return max(kept, key=lambda s: s.rate_per_s, default=None), high
