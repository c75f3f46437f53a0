"""Each metric passes, fails, and is unknown when there is nothing to judge it by."""

from __future__ import annotations

import pytest

from flashdrill.analysis.gates import evaluate
from flashdrill.analysis.recovery import NOT_RECOVERED
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Op, Outcome
from flashdrill.model.result import GateResult, StageValidity
from flashdrill.model.scenario import Gate, Stage
from tests.unit.analysis_history import operation, steady, table, valid

FAILED = {"outcome": Outcome.FAIL, "reason": "overloaded"}
REFUSED = {"outcome": Outcome.FAIL, "reason": "sold_out", "is_refusal": True}


def gate(
    metric: str, limit: float, *, comparator: str = "<", stage: str = "rush", kind: str = ""
) -> Gate:
    return Gate(f"{metric} {comparator} {limit}", metric, kind, comparator, limit, stage)


def result(
    one: Gate,
    ops: list[Op],
    validity: tuple[StageValidity, ...] = (valid(),),
    records: tuple[FaultRecord, ...] = (),
    drain_s: float | None = None,
) -> GateResult:
    stages = (Stage("rush", 0, 10), Stage("tail", 10, 10))
    (found,) = evaluate([one], table(ops), validity, records, drain_s, stages)
    assert found.text == one.text
    assert found.status != "unknown" or found.reason
    return found


def record(recover_s: float | None, **evidence: float) -> FaultRecord:
    return FaultRecord("cut", "timeout", "shard0", 1, 2, True, True, evidence, "", 0.1, recover_s)


HISTORY = [
    *steady(0, 9, took_s=0.1),
    *[operation(9, took_s=0.5) for _ in range(50)],
    *[operation(9, took_s=0.2, **FAILED) for _ in range(20)],  # type: ignore[arg-type]
    *[operation(9, took_s=0.2, **REFUSED) for _ in range(30)],  # type: ignore[arg-type]
]


@pytest.mark.parametrize(
    ("metric", "value", "unit"),
    [
        ("p50", 0.1, "s"),
        ("p90", 0.1, "s"),
        ("p95", 0.2, "s"),
        ("p95.1", 0.5, "s"),
        ("p99", 0.5, "s"),
        ("max", 0.5, "s"),
        ("error_rate", 0.02, "share"),
        ("refusal_rate", 0.03, "share"),
        ("rate", 95.0, "per_s"),
    ],
)
def test_metrics_pass_and_fail(metric: str, value: float, unit: str) -> None:
    passed = result(gate(metric, value * 1.01), HISTORY)
    failed = result(gate(metric, value * 0.99), HISTORY)
    assert (passed.status, failed.status) == ("pass", "fail")
    assert passed.value == pytest.approx(value)
    assert passed.unit == unit


@pytest.mark.parametrize(
    ("comparator", "below", "at", "above"),
    [
        ("<", "fail", "fail", "pass"),
        ("<=", "fail", "pass", "pass"),
        (">", "pass", "fail", "fail"),
        (">=", "pass", "pass", "fail"),
    ],
)
def test_comparators(comparator: str, below: str, at: str, above: str) -> None:
    for limit, status in ((1.0, below), (2.0, at), (3.0, above)):
        one = gate("drain", limit, comparator=comparator, stage="")
        assert result(one, HISTORY, drain_s=2.0).status == status


def test_a_gate_looks_at_its_operation_and_stage_only() -> None:
    slow = steady(0, 5, took_s=3.0, kind="get_order") + steady(10, 15, took_s=3.0, stage="tail")
    one = gate("p99", 0.6, kind="place_order")
    assert result(one, HISTORY + slow, (valid(), valid("tail"))).status == "pass"
    everywhere = gate("p99", 0.6, stage="")
    assert result(everywhere, HISTORY + slow, (valid(), valid("tail"))).status == "fail"


def test_what_never_left_is_an_error_without_a_response_time() -> None:
    lost = [operation(9, is_sent=False, took_s=0, **FAILED)] * 1000  # type: ignore[arg-type]
    assert result(gate("p50", 1.0), HISTORY + lost).value == pytest.approx(0.1)
    assert result(gate("error_rate", 0.4), HISTORY + lost).status == "fail"


@pytest.mark.parametrize("limit", [0.001, 10.0])
def test_an_invalid_stage_neither_passes_nor_fails(limit: float) -> None:
    found = result(gate("p99", limit), HISTORY, (valid(is_valid=False),))
    assert found.status == "unknown"
    assert found.value is not None, "what was measured is shown all the same"
    assert "rush" in found.reason


def test_an_invalid_stage_makes_gates_on_the_whole_run_unknown_and_no_others() -> None:
    validity = (valid(), valid("tail", is_valid=False))
    assert result(gate("p99", 10), HISTORY, validity).status == "pass"
    for metric in ("p99", "error_rate", "rate", "recovery", "drain"):
        one = gate(metric, 1e9, stage="")
        assert result(one, HISTORY, validity, (record(1.0),), 1.0).status == "unknown"


@pytest.mark.parametrize("metric", ["p99", "max", "error_rate", "refusal_rate", "rate"])
def test_without_samples_it_is_unknown(metric: str) -> None:
    assert result(gate(metric, 1e9, kind="pay_callback"), HISTORY).reason == "no samples"
    assert result(gate(metric, 1e9), []).status == "unknown"


def test_without_validity_it_is_unknown() -> None:
    assert result(gate("p99", 10), HISTORY, ()).status == "unknown"


def test_recovery_is_that_of_the_slowest_fault() -> None:
    records = (record(0.0), record(12.0))
    assert result(gate("recovery", 30, stage=""), HISTORY, records=records).status == "pass"
    failed = result(gate("recovery", 10, stage=""), HISTORY, records=records)
    assert (failed.status, failed.value) == ("fail", 12.0)


def test_recovery_is_unknown_without_faults_or_when_it_was_not_measured() -> None:
    assert result(gate("recovery", 30, stage=""), HISTORY).status == "unknown"
    unmeasured = (record(1.0), record(None))
    assert result(gate("recovery", 30, stage=""), HISTORY, records=unmeasured).status == "unknown"
    assert result(gate("recovery", 30, stage=""), HISTORY, records=(record(None),)).reason


def test_a_fault_never_recovered_from_fails_once_the_limit_has_passed() -> None:
    stuck = (record(None, **{NOT_RECOVERED: 41.0}), record(2.0))
    assert result(gate("recovery", 30, stage=""), HISTORY, records=stuck).status == "fail"
    assert result(gate("recovery", 60, stage=""), HISTORY, records=stuck).status == "unknown"


def test_a_drain_that_was_not_measured_is_unknown() -> None:
    assert result(gate("drain", 30, stage=""), HISTORY).status == "unknown"


def test_results_come_in_the_order_of_the_gates() -> None:
    gates = [gate("p99", 1), gate("p50", 1), gate("max", 1)]
    found = evaluate(gates, table(HISTORY), [valid()], (), None)
    assert [g.text for g in found] == [g.text for g in gates]
    assert {g.status for g in found} == {"pass"}
