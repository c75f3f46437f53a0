"""What is allowed in a scenario or a plan, and yet is likely to be a mistake."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.peak import peak_of
from flashdrill.model.scenario import Climb, Gate, Scenario, Stage
from flashdrill.plan.recording import STAGE_NAME

LEAST_TAIL_S = 1.0
"""Of load after a fault: with less, nobody comes to show that the system has recovered."""

LEAST_IN_A_HOLD = 300
"""Arrivals in a step of a climb: with fewer, chance alone moves its rate by more than 6 %."""


def suspicions(scenario: Scenario) -> Iterator[str]:
    """Of a scenario."""
    if not scenario.gates:
        yield "it has no gates: only a violated invariant can fail it"
    if not any(has_arrivals(stage) for stage in scenario.stages):
        yield "no stage has arrivals: nobody comes"
        return
    stages = {stage.name: stage for stage in scenario.stages}
    for gate in scenario.gates:
        if gate.stage and not has_arrivals(stages[gate.stage]):
            yield f"the gate `{gate.text}` is on a stage without arrivals: it cannot be judged"
    yield from lost_journeys(scenario)
    yield from _never_failing(scenario.gates)
    peak_per_s = max(map(peak_of, scenario.stages))
    if scenario.limits.in_flight < peak_per_s:
        yield (
            f"limits.in_flight is {scenario.limits.in_flight}, and {peak_per_s:g} arrive in the busiest second: "
            "answers that take a second would keep arrivals from being sent"
        )
    if scenario.climb is not None:
        yield from _few_in_a_hold(scenario.climb)


def lost_journeys(scenario: Scenario) -> Iterator[str]:
    """Recorded journeys of which `traffic.scale` leaves nothing."""
    for stage in scenario.stages:
        for recording in stage.recorded:
            if not recording.times_s:
                yield (
                    f"the journey `{recording.journey}` is recorded, and traffic.scale leaves none of its arrivals: "
                    "nobody plays it"
                )


def suspicions_of_plan(plan: FaultPlan, scenario: Scenario) -> Iterator[str]:
    """Of a plan on the timetable of its scenario."""
    for fault in plan.faults:
        if scenario.duration_s - fault.end_s < LEAST_TAIL_S:
            yield (
                f"fault {fault.id} is healed {scenario.duration_s - fault.end_s:g} s before the run's end: its "
                "recovery can hardly be measured"
            )
    for number, fault in enumerate(plan.faults):
        for other in plan.faults[number + 1 :]:
            if other.target == fault.target and _overlap(fault, other):
                yield (
                    f"faults {fault.id} and {other.id} are on {fault.target} at the same time: what one does may "
                    "hide the other"
                )


def awaits_traffic(scenario: Scenario) -> bool:
    """Whether it is about recorded traffic that is not there yet: a stage without arrivals stands for it."""
    return [stage.name for stage in scenario.stages] == [STAGE_NAME] and not has_arrivals(
        scenario.stages[0]
    )


def has_arrivals(stage: Stage) -> bool:
    """Whether anybody comes."""
    planned = any(arrivals.peak_per_s > 0 for arrivals in stage.arrivals)
    return planned or any(recording.times_s for recording in stage.recorded)


def _few_in_a_hold(climb: Climb) -> Iterator[str]:
    """Steps of so few arrivals that chance decides whether they are kept up with."""
    fewest = min((rate for rate in climb.rates if rate), default=0.0) * climb.hold_s
    if 0 < fewest < LEAST_IN_A_HOLD and not climb.is_even:
        yield (
            f"a step of {climb.name} has about {fewest:.0f} arrivals in its hold: by chance their number is off by "
            f"{1 / math.sqrt(fewest):.0%}, and the knee with it; let it hold longer (some hundred arrivals), or take "
            "spacing: even"
        )


def _never_failing(gates: tuple[Gate, ...]) -> Iterator[str]:
    """Gates on shares that every run passes."""
    for gate in gates:
        if not gate.metric.endswith("_rate"):
            continue
        is_always_true = (gate.comparator == "<=" and gate.limit >= 1) or (
            gate.comparator == ">=" and gate.limit <= 0
        )
        if is_always_true:
            yield f"the gate `{gate.text}` can never fail"


def _overlap(one: PlannedFault, other: PlannedFault) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s
