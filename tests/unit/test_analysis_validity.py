"""A stage is valid until the generator gives a reason; each reason is seen, and silent otherwise."""

from __future__ import annotations

import pytest

from flashdrill.analysis.validity import (
    after_rig_failure,
    after_stop,
    cpu_by_stage,
    doubt_between,
    tightest_s,
    validate,
)
from flashdrill.model.op import Op, Outcome
from flashdrill.model.result import StageValidity
from flashdrill.model.scenario import Gate, Stage
from tests.unit.analysis_history import T0, operation, steady, table, valid

STAGE = Stage("rush", 0.0, 10.0)


def gate(
    metric: str = "p99", limit: float = 0.8, stage: str = "rush", comparator: str = "<"
) -> Gate:
    return Gate(f"{metric} {comparator} {limit}", metric, "place_order", comparator, limit, stage)


def one(
    ops: list[Op],
    *,
    gates: tuple[Gate, ...] = (),
    scheduled: int | None = None,
    cpu: float | None = 0.3,
) -> StageValidity:
    due = sum(op.is_arrival for op in ops) if scheduled is None else scheduled
    (found,) = validate(table(ops), [STAGE], gates, {"rush": due}, {"rush": cpu})
    assert found.is_valid is not bool(found.reasons)
    return found


def test_a_generator_that_keeps_its_timetable_is_valid() -> None:
    found = one(steady(0, 10, late_s=0.002))
    assert found.is_valid
    assert (found.due, found.sent, found.connection_waits) == (1000, 1000, 0)
    assert found.lateness_p99_s == pytest.approx(0.002)
    assert found.lateness_limit_s == pytest.approx(0.010)


@pytest.mark.parametrize(
    ("late_s", "gates", "is_valid"),
    [
        (0.009, (), True),
        (0.011, (), False),
        (0.060, (gate(limit=0.8),), True),
        (0.090, (gate(limit=0.8),), False),
        (0.060, (gate(limit=0.8), gate(limit=0.4, stage="")), False),
        (0.060, (gate(limit=0.8), gate(limit=0.4, stage="tail")), True),
        (0.060, (gate(limit=0.8), gate("error_rate", 0.01)), True),
        (0.060, (gate(limit=0.8), gate(limit=0.1, comparator=">")), True),
    ],
)
def test_lateness_is_held_against_the_tightest_gate(
    late_s: float, gates: tuple[Gate, ...], is_valid: bool
) -> None:
    found = one(steady(0, 10, late_s=late_s), gates=gates)
    assert found.is_valid is is_valid
    assert any("lateness" in reason for reason in found.reasons) is not is_valid


def test_without_a_gate_a_tenth_of_the_median_counts() -> None:
    assert one(steady(0, 10, late_s=0.030, took_s=0.5)).is_valid
    assert not one(steady(0, 10, late_s=0.060, took_s=0.5)).is_valid


def test_lateness_does_not_excuse_itself() -> None:
    assert not one(steady(0, 10, late_s=3.0, took_s=0.005)).is_valid


def test_later_steps_of_a_session_are_not_held_against_the_timetable() -> None:
    late = steady(0, 10, late_s=0.5, is_arrival=False)
    assert one([*steady(0, 10), *late], scheduled=1000).is_valid


@pytest.mark.parametrize(("unsent", "is_valid"), [(10, True), (11, False)])
def test_arrivals_must_be_sent(unsent: int, is_valid: bool) -> None:
    lost = [
        operation(9, is_sent=False, outcome=Outcome.FAIL, reason="not_sent") for _ in range(unsent)
    ]
    found = one([*steady(0, 10)[unsent:], *lost])
    assert found.is_valid is is_valid
    assert any("were sent" in reason for reason in found.reasons) is not is_valid


@pytest.mark.parametrize("scheduled", [999, 1001, 5000])
def test_a_gap_between_timetable_and_record_is_seen(scheduled: int) -> None:
    found = one(steady(0, 10), scheduled=scheduled)
    assert any("on record" in reason for reason in found.reasons)
    assert found.due == scheduled


def test_a_generator_that_left_nothing_is_invalid() -> None:
    found = one([], scheduled=100, cpu=None)
    assert not found.is_valid
    assert found.lateness_p99_s is None


def test_a_stage_without_arrivals_is_valid() -> None:
    assert one([], scheduled=0, cpu=None).is_valid


def test_waits_for_a_connection_close_the_loop() -> None:
    found = one([*steady(0, 9.99), operation(9.99, connection_wait_ns=1)])
    assert found.connection_waits == 1
    assert any("connection" in reason for reason in found.reasons)


@pytest.mark.parametrize(("cpu", "is_valid"), [(0.80, True), (0.81, False), (None, True)])
def test_a_busy_load_process_is_seen(cpu: float | None, is_valid: bool) -> None:
    found = one(steady(0, 10), cpu=cpu)
    assert found.is_valid is is_valid
    assert found.generator_cpu == cpu


def test_each_stage_is_judged_by_itself() -> None:
    stages = [Stage("before", 0, 5), Stage("after", 5, 5)]
    history = table(steady(0, 5, stage="before"), steady(5, 10, stage="after", late_s=1.0))
    found = validate(history, stages, (), {"before": 500, "after": 500}, {})
    assert [v.is_valid for v in found] == [True, False]


def test_cpu_is_the_mean_over_the_stage() -> None:
    lines = [
        {"event": "second", "stage": "rush", "cpu": 0.2},
        {"event": "second", "stage": "rush", "cpu": 0.6},
        {"event": "second", "stage": "tail", "cpu": 0.1},
        {"event": "done", "max_cpu": 0.9},
    ]
    assert cpu_by_stage(lines) == pytest.approx({"rush": 0.4, "tail": 0.1})


def test_the_tightest_gate_of_none_is_none() -> None:
    assert tightest_s([], "rush") is None


def test_stages_that_were_not_over_when_the_rig_failed_are_invalid() -> None:
    stages = [Stage("browse", 0, 3), Stage("rush", 3, 9), Stage("steady", 12, 8)]
    fine = [StageValidity(s.name, True, (), 1, 1, 0.001, 0.01, 0, 0.1) for s in stages]
    judged = after_rig_failure(fine, stages, 4.5, "Toxiproxy died")
    assert [v.is_valid for v in judged] == [True, False, False]
    assert "Toxiproxy died 4.5 s after the start" in judged[1].reasons[0]
    assert all(v.is_valid for v in after_rig_failure(fine, stages, 20.5, "Toxiproxy died"))


def test_a_load_that_was_ended_leaves_parts_of_stages() -> None:
    stages = (Stage("calm", 0, 5), Stage("rush", 5, 5), Stage("tail", 10, 5))
    found = after_stop([valid(stage.name) for stage in stages], stages, 6.5)
    assert [v.is_valid for v in found] == [True, False, False]
    assert found[1].reasons == ("the load was ended 6.5 s after the start",)


@pytest.mark.parametrize(
    ("part", "yardstick_s", "word"),
    [
        (steady(3, 5, late_s=0.002), None, ""),
        (steady(3, 5, late_s=0.05), None, "the generator was late"),
        (steady(3, 5, late_s=0.05), 1.0, ""),
        (steady(3, 5, is_sent=False), None, "only 0 of 200"),
        (steady(3, 5, connection_wait_ns=5), None, "waited for a client connection"),
    ],
)
def test_a_part_of_the_run_is_doubted_for_what_was_in_it(
    part: list[Op], yardstick_s: float | None, word: str
) -> None:
    ops = table(steady(0, 3, late_s=0.002), part, steady(5, 8, late_s=0.002))
    found = doubt_between(ops, yardstick_s, T0 + 3 * 10**9, T0 + 5 * 10**9)
    assert (word in found) if word else not found
    assert doubt_between(ops, yardstick_s, T0 + 6 * 10**9, T0 + 8 * 10**9) == ""
