"""Second by second, and states at their exact times."""

from __future__ import annotations

import pytest

from flashdrill.analysis.timeline import steps, timeline
from flashdrill.model.op import Outcome
from tests.unit.analysis_history import T0, operation, steady, table


def event(t_s: float, name: str, target: str, state: object) -> dict[str, object]:
    return {"t_mono_ns": T0 + round(t_s * 1e9), "event": name, "target": target, "state": state}


def test_each_outcome_is_counted_in_the_second_in_which_it_was_due() -> None:
    history = table(
        steady(0, 1, per_s=10),
        [operation(1.2, reason="queued")] * 3,
        [operation(1.5, outcome=Outcome.INFO, reason="timeout", took_s=5)],
        [operation(2.9, outcome=Outcome.FAIL, reason="sold_out", is_refusal=True)] * 2,
        [operation(2.1, outcome=Outcome.FAIL, reason="overloaded", late_s=1.0)] * 4,
    )
    line = timeline(history, {}, [], T0, 3.5)
    assert line.t_s == [0.0, 1.0, 2.0, 3.0]
    assert line.due_per_s == [10, 4, 6, 0]
    assert line.sent_per_s == [10, 4, 2, 4]
    assert line.ok_per_s == [10, 0, 0, 0]
    assert line.queued_per_s == [0, 3, 0, 0]
    assert line.info_per_s == [0, 1, 0, 0]
    assert line.refused_per_s == [0, 0, 2, 0]
    assert line.fail_per_s == [0, 0, 4, 0]


def test_percentiles_are_those_of_the_second_and_none_when_it_was_empty() -> None:
    line = timeline(table(steady(0, 1), [operation(2, took_s=3.0)]), {}, [], T0, 3)
    assert line.p50_s == pytest.approx([0.010, None, 3.0])
    assert line.p99_s == pytest.approx([0.010, None, 3.0])


def test_what_is_outside_the_run_is_left_out() -> None:
    line = timeline(table([operation(-1), operation(9)]), {}, [], T0, 2)
    assert line.due_per_s == [0, 0]
    assert line.p50_s == [None, None]


def test_an_empty_run_is_an_empty_line() -> None:
    line = timeline(table(), {}, [], T0, 0)
    assert line.t_s == line.due_per_s == line.p99_s == []


def test_breakers_and_levels_become_steps_beside_the_samples() -> None:
    events = [
        event(5.25, "breaker", "shard0", "open"),
        event(7.5, "breaker", "shard0", "half-open"),
        event(7.6, "breaker", "shard0", "closed"),
        event(6.0, "level", "shard1", 1),
        event(1.0, "queue", "shard1", "empty"),
    ]
    queue = [(0.0, 0.0), (1.0, 7.0)]
    line = timeline(table(), {"queue shard1": queue}, events, T0, 10)
    assert line.series == {
        "queue shard1": queue,
        "breaker shard0": [(0.0, 0.0), (5.25, 2.0), (7.5, 1.0), (7.6, 0.0)],
        "level shard1": [(0.0, 0.0), (6.0, 1.0)],
    }


def test_a_restart_closes_what_was_open() -> None:
    events = [event(3.0, "start", "", ""), event(1.0, "breaker", "redis", "open")]
    assert steps(events, T0) == {"breaker redis": [(0.0, 0.0), (1.0, 2.0), (3.0, 0.0)]}
