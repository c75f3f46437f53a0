"""Detection and recovery to the millisecond, from operations and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flashdrill.analysis.recovery import NOT_RECOVERED, measure
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Attempt, Op, Outcome
from tests.unit.analysis_history import T0, operation, steady, table

FAULT = FaultRecord("cut", "timeout", "shard1", 10.0, 15.0, True, True, {"canary": "hung"})
LATENCY = replace(FAULT, kind="latency", slows=True)
UNKNOWN: dict[str, Any] = {"outcome": Outcome.INFO, "reason": "timeout"}
FAILED: dict[str, Any] = {"outcome": Outcome.FAIL, "reason": "breaker_open"}
REFUSED: dict[str, Any] = {"outcome": Outcome.FAIL, "reason": "sold_out", "is_refusal": True}


def one(
    ops: Iterable[Op], record: FaultRecord = FAULT, events: Iterable[Mapping[str, Any]] = ()
) -> FaultRecord:
    (found,) = measure([record], table(ops), events, T0)
    return found


def event(t_s: float, name: str, target: str, state: object) -> dict[str, Any]:
    return {"t_mono_ns": T0 + round(t_s * 1e9), "event": name, "target": target, "state": state}


QUIET = steady(0, 30)


def test_a_fault_that_nobody_felt() -> None:
    found = one(QUIET)
    assert found.detect_s is None
    assert found.recover_s == 0.0
    assert found.evidence == {"canary": "hung"}


def test_the_first_bad_answer_after_the_start_detects() -> None:
    bad = [operation(10.2, took_s=0.8, **UNKNOWN), operation(9.0, took_s=0.5, **UNKNOWN)]
    assert one([*QUIET, *bad]).detect_s == pytest.approx(1.0)


def test_a_bad_attempt_detects_even_when_the_operation_succeeds() -> None:
    attempts = (
        Attempt(T0 + 10_000_000_000, T0 + 10_300_000_000, 503, Outcome.FAIL, "overloaded"),
        Attempt(T0 + 10_400_000_000, T0 + 10_500_000_000, 201, Outcome.OK, "placed"),
    )
    assert one([*QUIET, operation(10, attempts=attempts)]).detect_s == pytest.approx(0.3)


def test_refusals_are_no_sign() -> None:
    found = one([*QUIET, *steady(10, 20, **REFUSED)])
    assert (found.detect_s, found.recover_s) == (None, 0.0)


def test_a_technical_attempt_before_a_refusal_is_a_sign() -> None:
    attempts = (
        Attempt(T0 + 10_000_000_000, T0 + 10_300_000_000, 503, Outcome.FAIL, "overloaded"),
        Attempt(T0 + 10_400_000_000, T0 + 10_500_000_000, 409, Outcome.FAIL, "sold_out"),
    )
    found = one([*QUIET, operation(10, attempts=attempts, **REFUSED)])
    assert found.detect_s == pytest.approx(0.3)


def test_an_operation_that_never_left_is_a_sign() -> None:
    lost = operation(10.4, is_sent=False, outcome=Outcome.FAIL, reason="not_sent")
    assert one([*QUIET, lost]).detect_s == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("name", "target", "state", "detect_s"),
    [
        ("breaker", "shard1", "open", 0.7),
        ("breaker", "shard1", "half-open", 0.7),
        ("level", "shard1", 1, 0.7),
        ("breaker", "shard1", "closed", None),
        ("level", "shard1", 0, None),
        ("breaker", "shard2", "open", None),
        ("gate", "shard1", "open", None),
    ],
)
def test_events_of_the_target_detect(
    name: str, target: str, state: object, detect_s: float | None
) -> None:
    found = one(QUIET, events=[event(9.0, name, target, state), event(10.7, name, target, state)])
    assert found.detect_s == (None if detect_s is None else pytest.approx(detect_s))


def test_what_shows_long_after_the_fault_is_not_its_sign() -> None:
    assert one([*QUIET, operation(21, **UNKNOWN)]).detect_s is None


@pytest.mark.parametrize("slowing", [LATENCY, replace(FAULT, kind="pause", slows=True)])
def test_slow_answers_detect_what_slows_down_and_nothing_else(slowing: FaultRecord) -> None:
    ops = [*steady(0, 10), *steady(10, 15, took_s=0.2), *steady(15, 30)]
    assert one(ops, slowing).detect_s == pytest.approx(0.2)
    assert one(ops, FAULT).detect_s is None


def test_somewhat_slower_is_not_slow() -> None:
    ops = [*steady(0, 10), *steady(10, 15, took_s=0.055), *steady(15, 30)]
    assert one(ops, LATENCY).detect_s is None


def test_slow_is_by_the_standard_of_its_own_kind() -> None:
    reports = steady(0, 30, kind="get_report", took_s=0.9)
    assert one([*QUIET, *reports], LATENCY).detect_s is None


def test_too_few_operations_before_the_fault_set_no_standard() -> None:
    ops = [*steady(9.9, 10), *steady(10, 15, took_s=1.0), *steady(15, 30)]
    assert one(ops, LATENCY).detect_s is None


def test_other_faults_do_not_spoil_the_standard() -> None:
    earlier = replace(LATENCY, id="earlier", start_s=2.0, end_s=9.5)
    ops = [*steady(0, 2), *steady(2, 9.5, took_s=0.5), *steady(9.5, 10)]
    ops += [*steady(10, 15, took_s=0.2), *steady(15, 30)]
    found = measure([earlier, LATENCY], table(ops), [], T0)
    assert found[1].detect_s == pytest.approx(0.2)


def test_recovery_is_the_last_bad_arrival_before_a_clean_stretch() -> None:
    ops = [*QUIET, operation(15.2, **FAILED), operation(16.1, **UNKNOWN), operation(16.8, **FAILED)]
    assert one(ops).recover_s == pytest.approx(1.8)


def test_bad_answers_after_a_clean_stretch_are_not_this_fault() -> None:
    ops = [*QUIET, operation(15.5, **FAILED), operation(20.0, **FAILED)]
    assert one(ops).recover_s == pytest.approx(0.5)


def test_what_was_due_before_the_end_is_the_fault_itself() -> None:
    assert one([*QUIET, operation(14.9, took_s=3.0, **UNKNOWN)]).recover_s == 0.0


def test_a_backlog_is_waited_out() -> None:
    late = [
        operation(15 + n / 100, took_s=2.0 - n / 100) for n in range(200)
    ]  # all answered at 17 s
    ops = [*steady(0, 15), *late, *steady(17, 30)]
    found = one(ops, LATENCY).recover_s
    assert found is not None
    assert 1.5 < found < 2.0


def test_a_few_slow_answers_are_tolerated() -> None:
    slow = [operation(15.5 + n, took_s=0.5) for n in range(10)]
    assert one([*QUIET, *slow], LATENCY).recover_s == 0.0


@pytest.mark.parametrize(
    ("until_s", "recover_s"), [(15.5, None), (16.005, 0.0), (16.5, 0.0), (15.0, None)]
)
def test_a_stretch_must_be_long_enough_to_judge(until_s: float, recover_s: float | None) -> None:
    found = one(steady(0, until_s, per_s=200))
    assert found.recover_s == recover_s
    assert NOT_RECOVERED not in found.evidence


def test_a_stretch_must_have_enough_operations() -> None:
    assert one([*steady(0, 15), *steady(15, 20, per_s=1)]).recover_s is None
    assert one([*steady(0, 15), *steady(15, 27, per_s=1)]).recover_s == 0.0


def test_a_fault_that_is_never_got_over_says_for_how_long() -> None:
    found = one([*steady(0, 15), *steady(15, 30, **FAILED)])
    assert found.recover_s is None
    assert found.evidence[NOT_RECOVERED] == pytest.approx(14.99)
    assert found.evidence["canary"] == "hung"


def test_an_injection_that_failed_has_nothing_to_measure() -> None:
    failed = replace(FAULT, effect_observed=False)
    assert one([*QUIET, operation(10.1, **UNKNOWN)], failed) == failed


def test_no_operations_at_all() -> None:
    found = one([])
    assert (found.detect_s, found.recover_s) == (None, None)


def test_each_fault_is_measured_by_itself() -> None:
    second = replace(FAULT, id="second", start_s=20, end_s=22)
    ops = [*QUIET, operation(11, took_s=0, **FAILED), operation(22.25, took_s=0, **FAILED)]
    first, last = measure([FAULT, second], table(ops), [], T0)
    assert (first.detect_s, first.recover_s) == (pytest.approx(1.0), 0.0)
    assert (last.detect_s, last.recover_s) == (pytest.approx(2.25), pytest.approx(0.25))
