"""A climb judged by its history: the steps as they were taken, and what past the knee is no fault of the generator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.schedule import arrivals
from flashdrill.model.capacity import Ended, StepState
from flashdrill.model.climbed import Climbed, Ordered
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.op import Outcome
from flashdrill.model.result import RunResult
from flashdrill.model.scenario import Climb
from flashdrill.rehearsal.judgement import judgement
from flashdrill.rehearsal.prepare import Prepared, refuse_faults_on_climb
from flashdrill.rehearsal.trace import Trace
from tests.unit.analysis_history import T0, operation, table
from tests.unit.test_judgement import prepared

CAPACITY_PER_S = 150.0
CLIMB = Climb("climb", 0.0, (100, 200, 300), 4.0, 0.0, (("order", 1.0),), True, bisections=1)
TAKEN = (("1", 100.0, 0.0), ("2", 200.0, 4.0), ("3", 300.0, 8.0), ("b1", 150.0, 24.0))
STEPS = [
    Ordered(per_s, CLIMB.stages(label, per_s, start_s), label.startswith("b"))
    for label, per_s, start_s in TAKEN
]


def climbing() -> Prepared:
    """A run whose planned steps are three."""
    run = prepared()
    planned = tuple(
        stage
        for number, per_s in enumerate(CLIMB.rates, start=1)
        for stage in CLIMB.stages(str(number), per_s, 4.0 * (number - 1))
    )
    return replace(run, scenario=replace(run.scenario, stages=planned, gates=(), climb=CLIMB))


def history(*, unsent_after_s: float = 1e9) -> pa.Table:
    """One queue before a service of known capacity; who would have to wait longer than that is never sent."""
    ops, free_s = [], 0.0
    stages = tuple(stage for step in STEPS for stage in step.stages)
    for arrival in arrivals(stages, climbing().scenario.seed):
        wait_s = max(0.0, free_s - arrival.due_s)
        is_sent = wait_s <= unsent_after_s
        free_s = max(free_s, arrival.due_s) + (1 / CAPACITY_PER_S if is_sent else 0.0)
        took_s = free_s - arrival.due_s if is_sent else 0.0
        outcome = Outcome.OK if is_sent else Outcome.FAIL
        ops.append(
            operation(
                arrival.due_s,
                took_s=took_s,
                stage=arrival.stage,
                is_sent=is_sent,
                outcome=outcome,
                reason="placed" if is_sent else "not_sent",
            )
        )
    return table(ops)


def judged(ops: pa.Table, climbed: Climbed) -> RunResult:
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 30 * 10**9, climbed=climbed)
    return judgement(climbing(), trace, ops, datetime(2026, 1, 27, tzinfo=UTC))


def test_the_knee_is_that_of_the_service_and_the_stages_are_those_that_were_taken() -> None:
    result = judged(history(), Climbed(STEPS, Ended.KNEE))
    knee = result.capacity.knee
    assert knee is not None
    assert knee.knee_per_s == pytest.approx(CAPACITY_PER_S, rel=0.02)
    assert [s.state for s in knee.steps] == [
        StepState.KEPT_UP,
        StepState.PAST,
        StepState.PAST,
        StepState.KEPT_UP,
    ]
    assert knee.steps[1].achieved_per_s == pytest.approx(CAPACITY_PER_S, rel=0.02)
    names = ["climb-1", "climb-2", "climb-3", "climb-b1"]
    assert [stage["name"] for stage in result.stages] == names
    assert [(v.stage, v.is_valid) for v in result.validity] == [(name, True) for name in names]


def test_what_was_not_sent_past_the_knee_does_not_make_its_stage_invalid() -> None:
    result = judged(history(unsent_after_s=0.5), Climbed(STEPS, Ended.KNEE))
    assert result.capacity.knee is not None
    assert result.capacity.knee.knee_per_s == pytest.approx(CAPACITY_PER_S, rel=0.05)
    validity = {v.stage: v for v in result.validity}
    assert validity["climb-3"].sent < 0.9 * validity["climb-3"].due
    assert all(v.is_valid for v in result.validity)


def test_a_climb_that_never_began_has_found_nothing() -> None:
    result = judged(history().slice(0, 0), Climbed(STEPS[:1]))
    knee = result.capacity.knee
    assert knee is not None
    assert (knee.ended, knee.steps) == (Ended.STOPPED, ())
    assert "the run ended before the climb did" in knee.sentence


def small(late_s: float, outcome: Outcome) -> pa.Table:
    """A step of five a second, answered in 80 ms; of the two that come last the end is another."""
    step, seed = small_step(), climbing().scenario.seed
    *most, second, last = arrivals(step.stages, seed)
    ops = [operation(a.due_s, took_s=0.08, stage=a.stage) for a in most]
    ops += [
        operation(
            a.due_s, took_s=4.0 + late_s - a.due_s, stage=a.stage, outcome=outcome, reason="late"
        )
        for a in (second, last)
    ]
    return table(ops)


def small_step() -> Ordered:
    return Ordered(5.0, CLIMB.stages("1", 5.0, 0.0))


def test_two_that_are_out_at_the_end_of_a_small_step_are_no_knee() -> None:
    knee = judged(small(0.1, Outcome.OK), Climbed([small_step()], Ended.TOP)).capacity.knee
    assert knee is not None
    assert (knee.ended, knee.knee_per_s) == (Ended.TOP, None)
    assert knee.steps[0].achieved_per_s == knee.steps[0].offered_per_s


@pytest.mark.parametrize(
    ("late_s", "outcome"), [(0.1, Outcome.INFO), (0.1, Outcome.FAIL), (-0.01, Outcome.FAIL)]
)
def test_who_is_never_answered_well_is_not_merely_out(late_s: float, outcome: Outcome) -> None:
    result = judged(small(late_s, outcome), Climbed([small_step()], Ended.FIRST))
    knee = result.capacity.knee
    assert knee is not None
    assert [step.state for step in knee.steps] == [StepState.PAST]


@pytest.mark.parametrize("on_record", [0, 150])
def test_a_step_of_which_arrivals_are_not_on_record_is_no_claim_on_the_service(
    on_record: int,
) -> None:
    climbed = Climbed(STEPS[:2], Ended.TOP)
    whole = history()
    first = whole.filter(pc.field("stage") == "climb-1")
    second = whole.filter(pc.field("stage") == "climb-2").slice(0, on_record)
    result = judged(pa.concat_tables([first, second]), climbed)
    knee = result.capacity.knee
    assert knee is not None
    assert (knee.ended, knee.knee_per_s) == (Ended.GENERATOR, None)
    assert [s.state for s in knee.steps] == [StepState.KEPT_UP, StepState.GENERATOR]
    assert knee.steps[1].offered_per_s == pytest.approx(200, rel=0.1), "what was scheduled"
    assert "No bottleneck reached" not in knee.sentence


def test_of_a_run_that_ended_before_its_climb_the_steps_that_were_played_count() -> None:
    first = history().filter(pc.field("stage") == "climb-1")
    knee = judged(first, Climbed(STEPS[:2])).capacity.knee
    assert knee is not None
    assert (knee.ended, [s.stage for s in knee.steps]) == (Ended.STOPPED, ["climb-1"])


def test_faults_cannot_be_placed_on_steps_that_nobody_knows() -> None:
    fault = PlannedFault("cut", "latency", "shard0", 1.0, 2.0, {}, 7)
    plan = FaultPlan("night", Path("night.yaml"), (fault,))
    with pytest.raises(ConfigError, match="'cut' cannot be placed: climb has stop_at_knee"):
        refuse_faults_on_climb(climbing().scenario, plan)
    refuse_faults_on_climb(climbing().scenario, FaultPlan("calm", Path("calm.yaml"), ()))
    refuse_faults_on_climb(prepared().scenario, plan)
