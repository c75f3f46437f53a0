"""What customers saw of a fault."""

from __future__ import annotations

import pytest

from flashdrill.analysis.impact import with_impact
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Attempt, Outcome
from tests.unit.analysis_history import T0, operation, steady, table

CUT = FaultRecord("cut", "timeout", "shard2", 10.0, 12.0, True, True)


def level(t_s: float, state: int, target: str = "shard2") -> dict[str, object]:
    return {
        "t_mono_ns": T0 + round(t_s * 1e9),
        "event": "level",
        "target": target,
        "state": state,
    }


def test_the_operations_that_were_open_meanwhile_are_counted_and_compared_with_before() -> None:
    sent = T0 + 10_500_000_000
    retried = (
        Attempt(sent, sent + 1, 504, Outcome.INFO, "gateway_timeout"),
        Attempt(sent + 2, sent + 3, 202, Outcome.OK, "queued"),
    )
    history = table(
        steady(0, 9.9, took_s=0.010),
        [operation(9.5, took_s=1.0)],  # due before, still open when it began
        [operation(10.5, reason="queued", took_s=2.0, attempts=retried)] * 2,
        [operation(11, outcome=Outcome.INFO, reason="timeout", took_s=5.0)],
        [operation(11.5, outcome=Outcome.FAIL, reason="sold_out", is_refusal=True)],
        [operation(13, took_s=0.010)],
    )
    (record,) = with_impact([CUT], history, [], T0)
    seen = record.impact
    assert seen is not None
    assert (seen.operations, seen.ok, seen.queued) == (5, 3, 2)
    assert (seen.refused, seen.fail, seen.info, seen.retried) == (1, 0, 1, 2)
    assert seen.answers_by_status == {"none": 3, "202": 2, "504": 2}
    assert seen.p99_s == pytest.approx(5.0)
    assert seen.p99_before_s == pytest.approx(0.010)


def test_degradation_is_the_first_level_of_its_own_target_while_in_force() -> None:
    events = [level(9, 1), level(10.5, 1, "shard0"), level(10.8, 0), level(11.2, 2), level(11.5, 1)]
    (record,) = with_impact([CUT], table(steady(0, 12)), events, T0)
    assert record.degrade_s == pytest.approx(1.2)
    (record,) = with_impact([CUT], table(steady(0, 12)), [level(12.5, 1)], T0)
    assert record.degrade_s is None


def test_what_met_another_fault_is_not_how_it_was_before() -> None:
    other = FaultRecord("other", "latency", "redis", 4.0, 9.5, True, True)
    history = table(steady(0, 4, took_s=0.01), steady(4, 9.6, took_s=3.0), steady(11, 12))
    _, record = with_impact([other, CUT], history, [], T0)
    assert record.impact is not None
    assert record.impact.p99_before_s == pytest.approx(0.01)
    constant = FaultRecord("other", "latency", "redis", 0.0, 20.0, True, True)
    _, record = with_impact([constant, CUT], history, [], T0)
    assert record.impact is not None
    assert record.impact.p99_before_s is None, "there was no time before"


def test_a_fault_that_was_not_made_was_seen_by_nobody() -> None:
    unmade = FaultRecord("none", "latency", "redis", 1.0, 2.0, False, True, was_made=False)
    assert with_impact([unmade], table(steady(0, 3)), [level(1.5, 1)], T0) == (unmade,)
    (record,) = with_impact([CUT], table([]), [], T0)
    assert record.impact is not None
    assert (record.impact.operations, record.impact.p99_s) == (0, None)
