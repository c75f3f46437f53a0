"""Percentiles and statistics are exact, and from due times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.analysis.operations import EVERY_KIND, attempts_by_status, operation_stats
from flashdrill.analysis.percentiles import percentiles, quantile
from flashdrill.model.op import Attempt, Outcome
from tests.unit.analysis_history import operation, steady, table


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles(np.array([])) == percentiles(np.empty(0))
    assert percentiles(np.array([])).p99 is None
    assert percentiles(np.array([])).count == 0


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_a_measured_value_that_enough_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = quantile(np.array(values), share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    smaller = [v for v in values if v < found]
    assert len(smaller) < share * len(values) + 1e-9


def test_percentiles_of_a_hundred() -> None:
    found = percentiles(np.arange(100, 0, -1) / 1000)
    assert (found.count, found.p50, found.p95, found.p99, found.max) == (
        100,
        0.050,
        0.095,
        0.099,
        0.100,
    )


def test_response_counts_from_the_due_time_and_service_from_the_sending() -> None:
    (row, *_) = operation_stats(table([operation(0, late_s=0.5, took_s=0.1)]))
    assert row.response.p99 == pytest.approx(0.6)
    assert row.service.p99 == pytest.approx(0.1)
    assert row.lateness.p99 == pytest.approx(0.5)


def test_outcomes_are_told_apart_and_rates_are_of_what_was_due() -> None:
    history = table(
        steady(0, 0.5),
        [operation(1, reason="queued")],
        [operation(1, outcome=Outcome.FAIL, reason="sold_out", is_refusal=True)] * 20,
        [operation(1, outcome=Outcome.FAIL, reason="pool_exhausted")] * 10,
        [operation(1, outcome=Outcome.INFO, reason="timeout")] * 5,
        [operation(1, outcome=Outcome.FAIL, reason="not_sent", is_sent=False)] * 14,
    )
    row = operation_stats(history)[0]
    assert (row.due, row.sent, row.ok, row.queued) == (100, 86, 51, 1)
    assert (row.refused, row.fail, row.info) == (20, 24, 5)
    assert row.error_rate == pytest.approx(0.29)
    assert row.refusal_rate == pytest.approx(0.20)
    assert row.response.count == 86, "what never left has no response time"


def test_rows_by_stage_and_kind_then_by_kind_then_in_all() -> None:
    history = table(
        steady(10, 11, stage="steady", kind="get_order"),
        steady(0, 1, stage="rush"),
        steady(1, 2, stage="rush", kind="get_order"),
    )
    rows = [(row.stage, row.kind, row.due) for row in operation_stats(history)]
    assert rows == [
        ("rush", "place_order", 100),
        ("rush", "get_order", 100),
        ("steady", "get_order", 100),
        ("", "place_order", 100),
        ("", "get_order", 200),
        ("", EVERY_KIND, 300),
    ]


def test_no_operations_no_rows() -> None:
    assert operation_stats(table()) == ()


def test_every_attempt_counts_by_its_status() -> None:
    tries = (
        Attempt(1, 2, 0, Outcome.INFO, "connection_lost"),
        Attempt(3, 4, 504, Outcome.FAIL, "deadline"),
        Attempt(5, 6, 201, Outcome.OK, "placed"),
    )
    ops = [
        operation(1.0, attempts=tries),
        operation(2.0, attempts=tries[1:]),
        operation(3.0, is_sent=False),
    ]
    assert attempts_by_status(table(ops)) == {"none": 1, "201": 2, "504": 2}
    assert attempts_by_status(table([])) == {}
