"""The knee of a climb, from its history: how much the service can take.

Of each step: what was offered (arrivals scheduled in it, a second), and what was achieved: that, less the operations
that were due in it and not answered in it (what piled up, what failed). A step of which arrivals are missing on record
was not offered as it should have been: the generator was its limit. What is out at the end of a step as it is at any
moment is no shortfall. Below the knee the two are equal; past it the
service answers what it can, C. The knee is the C of min(offered, C) that fits the steps best, by least squares; it
lies between what the highest step that kept up achieved and what the lowest one past the knee was offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from flashdrill.analysis.climbing import KEPT_UP_SHARE, bracket, state_of, usually_out
from flashdrill.analysis.columns import Columns, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.analysis.validity import SENT_SHARE
from flashdrill.model.calibration import CPU_LIMIT
from flashdrill.model.capacity import Ended, Knee, Step, StepState
from flashdrill.model.climbed import Climbed, Ordered
from flashdrill.model.result import Bottleneck, StageValidity
from flashdrill.model.scenario import Climb

SMALL_PER_S = 100.0
"""Below that a rate is told with a decimal."""


def find_knee(
    climb: Climb,
    climbed: Climbed,
    ops: pa.Table,
    validity: Sequence[StageValidity],
    t0_ns: int,
) -> Knee:
    """What the climb has found.

    Left out are steps in which nobody was to come, and the last ones of a run that ended before they were played.
    """
    by_stage = {v.stage: v for v in validity}
    history = columns(ops)
    played = list(climbed.steps)
    while climbed.ended is None and played and not _recorded(played[-1], history):
        played.pop()
    service_s = usual_service_s(played, history, t0_ns)
    steps = [measure(each, history, by_stage, t0_ns, service_s) for each in played]
    steps = [step for step in steps if step.offered_per_s]
    return knee_of(steps, climbed.ended or Ended.STOPPED, len(climb.rates))


def usual_service_s(steps: Sequence[Ordered], history: Columns, t0_ns: int) -> float:
    """How long an answer takes while nothing piles up: the least of the steps' medians, each of its first quarter."""
    medians = []
    for step in steps:
        hold = step.hold
        from_ns, to_ns = _span(t0_ns, hold.start_s, hold.start_s + hold.duration_s / 4)
        early = history.where((history.due_ns >= from_ns) & (history.due_ns < to_ns))
        answered = early.where(early.is_sent & (early.is_ok | early.is_refused))
        if (median := quantile(answered.service_s, 0.5)) is not None:
            medians.append(median)
    return min(medians, default=0.0)


def measure(
    step: Ordered,
    history: Columns,
    validity: Mapping[str, StageValidity],
    t0_ns: int,
    service_s: float,
) -> Step:
    """One step by its history, held against its schedule (`due` of its validity).

    `service_s` is how long an answer usually takes.
    """
    hold, known = step.hold, validity.get(step.hold.name)
    from_ns, to_ns = _span(t0_ns, hold.start_s, hold.end_s)
    due = history.where((history.due_ns >= from_ns) & (history.due_ns < to_ns))
    done = history.where((history.done_ns >= from_ns) & (history.done_ns < to_ns))
    answered = int(np.count_nonzero(done.is_ok | done.is_refused))
    recorded = _recorded(step, history)
    scheduled = recorded if known is None else known.due
    lacking = len(due) - answered
    late = int(np.count_nonzero((due.done_ns >= to_ns) & (due.is_ok | due.is_refused)))
    before = history.where((history.due_ns < from_ns) & (history.done_ns >= from_ns))
    out = usually_out(
        late, int(np.count_nonzero(before.is_sent)), len(due) / hold.duration_s, service_s
    )
    is_lacking = known is None or recorded < scheduled or is_generator(known)
    achieved = _achieved(recorded, lacking - out)
    state = state_of(scheduled, achieved, is_lacking)
    if (
        state is StepState.PAST
    ):  # the service was busy all the time: what it answered in it is what it can do
        achieved = _achieved(recorded, lacking)
    return Step(
        stage=hold.name,
        rate_per_s=step.rate_per_s,
        offered_per_s=round(scheduled / hold.duration_s, 3),
        achieved_per_s=round(achieved / hold.duration_s, 3),
        state=state,
        p99_s=quantile(due.where(due.is_sent).response_s, 0.99),
        is_extra=step.is_extra,
    )


def is_generator(known: StageValidity) -> bool:
    """Whether the generator itself could not keep up: late, out of CPU, or waiting for its own connections."""
    is_late = known.lateness_p99_s is not None and known.lateness_p99_s > known.lateness_limit_s
    is_busy = known.generator_cpu is not None and known.generator_cpu > CPU_LIMIT
    return is_late or is_busy or known.connection_waits > 0


def knee_of(steps: Sequence[Step], ended: Ended, planned: int) -> Knee:
    """The knee of the steps, in the order in which they were taken; `planned` steps has the staircase itself."""
    low, high = bracket(steps, planned)
    if high is None:
        return Knee(*_without_knee(steps, ended), steps=tuple(steps))
    low_per_s = low.achieved_per_s if low else 0.0
    found = fit([s for s in steps if s.state is not StepState.GENERATOR])
    knee_per_s = min(max(found, low_per_s), high.offered_per_s)
    if low is None:
        ended = Ended.FIRST
    elif ended in {Ended.TOP, Ended.FIRST}:  # so it looked while it was climbed
        ended = Ended.KNEE
    return Knee(
        ended=ended,
        sentence=_sentence(knee_per_s, low, high, ended),
        knee_per_s=round(knee_per_s, 1),
        low_per_s=round(low_per_s, 1),
        high_per_s=round(high.offered_per_s, 1),
        steps=tuple(steps),
    )


def fit(steps: Sequence[Step]) -> float:
    """The C for which min(offered, C) is closest to what was achieved, by least squares."""
    ordered = sorted(steps, key=lambda s: s.offered_per_s)
    offered = np.array([s.offered_per_s for s in ordered])
    achieved = np.array([s.achieved_per_s for s in ordered])
    candidates = [float(np.mean(achieved[place:])) for place in range(len(ordered))]
    errors = [float(np.sum((achieved - np.minimum(offered, c)) ** 2)) for c in candidates]
    return candidates[int(np.argmin(errors))]


def past_the_knee(
    validity: Sequence[StageValidity], steps: Sequence[Step]
) -> tuple[StageValidity, ...]:
    """A step past the knee may find `limits.in_flight` full: that is the service's doing, and what was looked for.

    When it is all that is against the stage, the stage is valid.
    """
    past = {step.stage for step in steps if step.state is StepState.PAST}
    past |= {f"{stage}-up" for stage in past}
    return tuple(
        replace(v, is_valid=True, reasons=()) if v.stage in past and _only_unsent(v) else v
        for v in validity
    )


def beside_the_knee(found: Bottleneck, knee: Knee | None) -> Bottleneck:
    """Where a knee was found, a bottleneck was reached, even when none of the resources that were measured shows it."""
    if knee is None or knee.knee_per_s is None or found.named is not None:
        return found
    unexplained = "The service has a knee, and no resource that was measured explains it:"
    return replace(found, sentence=found.sentence.replace("No bottleneck reached:", unexplained, 1))


def remarks(knee: Knee | None) -> tuple[str, ...]:
    """What a climb has found and no gate says: the service did not even keep up with its first step."""
    return (knee.sentence,) if knee is not None and knee.ended is Ended.FIRST else ()


def _span(t0_ns: int, from_s: float, to_s: float) -> tuple[int, int]:
    return t0_ns + round(from_s * 1e9), t0_ns + round(to_s * 1e9)


def _achieved(arrivals: int, lacking: int) -> int:
    return min(arrivals, max(0, arrivals - lacking))  # a backlog may end in a step


def _recorded(step: Ordered, history: Columns) -> int:
    """How many of a step's arrivals are on record, sent or not."""
    return int(np.count_nonzero(history.of(stage=step.hold.name).is_arrival))


def _only_unsent(v: StageValidity) -> bool:
    return len(v.reasons) == 1 and v.sent < SENT_SHARE * v.due and not is_generator(v)


def _without_knee(steps: Sequence[Step], ended: Ended) -> tuple[Ended, str]:
    kept = [s for s in steps if s.state is StepState.KEPT_UP]
    most = max((s.achieved_per_s for s in kept), default=0.0)
    so_far = (
        f"the service kept up with {_rate(most)} arrivals a second" if kept else "nothing is known"
    )
    if any(s.state is StepState.GENERATOR for s in steps) and ended is not Ended.STOPPED:
        sentence = f"No knee was found: the generator was the limit. So far, {so_far}."
        return Ended.GENERATOR, sentence
    if ended is Ended.STOPPED:
        return ended, f"No knee was found: the run ended before the climb did. So far, {so_far}."
    if ended is not Ended.TOP:
        sentence = (
            "No knee was found: while it was climbed, steps did not seem to be kept up with, and by the record they "
            f"were. So far, {so_far}. Let the steps hold longer."
        )
        return Ended.STOPPED, sentence
    return Ended.TOP, f"No bottleneck reached: {so_far}, the top of the staircase."


def _sentence(knee_per_s: float, low: Step | None, high: Step, ended: Ended) -> str:
    if low is None:
        return (
            f"The first step is past the knee already: of {_rate(high.offered_per_s)} arrivals a second the service "
            f"answered {_rate(knee_per_s)}, or it fails at any rate. Begin the staircase lower."
        )
    stopped = " The run ended before it was closer." if ended is Ended.STOPPED else ""
    return (
        f"The knee is at {_rate(knee_per_s)} arrivals a second: {low.stage} ({_rate(low.offered_per_s)}/s) kept up, "
        f"{high.stage} ({_rate(high.offered_per_s)}/s) did not, under {KEPT_UP_SHARE:.0%} of it was answered.{stopped}"
    )


def _rate(per_s: float) -> str:
    """A rate in words: whole, unless it is small."""
    return f"{per_s:,.1f}".removesuffix(".0") if per_s < SMALL_PER_S else f"{per_s:,.0f}"
