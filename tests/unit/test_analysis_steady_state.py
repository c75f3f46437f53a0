"""What a condition did before, during and after the faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flashdrill.analysis.steady_state import recovery_span, steady_results
from flashdrill.model.faults import FaultRecord
from flashdrill.model.steady_state import Breach, Look, SteadyResult, Watched
from flashdrill.plan.conditions import parse_condition

FAULT = FaultRecord("cut", "timeout", "shard1", 5.0, 8.0, True, True)
CONDITION = parse_condition("error_rate < 5%")


def watched(values: list[float | None], before: float | None = 0.0) -> Watched:
    """One value a second; the windows of three seconds have their mean."""
    seconds = [Look(float(n), n + 1.0, value) for n, value in enumerate(values)]
    windows = []
    for a, b, c in zip(seconds, seconds[1:], seconds[2:], strict=False):
        known = [look.value for look in (a, b, c) if look.value is not None]
        windows.append(Look(a.start_s, c.end_s, sum(known) / len(known) if known else None))
    return Watched(CONDITION, 4.0, Look(2.0, 4.0, before), seconds, windows)


def judged(
    values: list[float | None], *, faults: tuple[FaultRecord, ...] = (FAULT,), doubt: str = ""
) -> SteadyResult:
    (result,) = steady_results([watched(values)], faults, doubt=doubt)
    return result


GOOD = [0.0] * 5


def test_what_was_broken_by_a_fault_and_came_back() -> None:
    result = judged([*GOOD, 0.0, 0.4, 0.9, 0.0, 0.0, 0.0, 0.0])
    assert (result.before, result.after, result.back_s) == ("holds", "back", 0.0)
    assert (result.during, result.broken) == ("broken", (Breach(6.0, 8.0, 0.9),))


def test_what_no_fault_broke() -> None:
    result = judged([0.0] * 12)
    assert (result.during, result.broken, result.after) == ("holds", (), "back")


def test_what_is_slow_to_come_back_within_its_time() -> None:
    result = judged([*GOOD, 0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0])
    assert (result.after, result.back_s) == ("back", 2.0)


def test_what_does_not_come_back_in_time() -> None:
    result = judged([*GOOD, *[0.9] * 10, 0.0, 0.0, 0.0, 0.0])
    assert (result.after, result.back_s) == ("not back", None)
    assert result.after_value == pytest.approx(0.9)


def test_what_comes_back_too_late_is_not_back() -> None:
    late = [*GOOD, *[0.9] * 8, *[0.0] * 9]
    assert judged(late).after == "not back"
    assert judged(late[1:], faults=(replace(FAULT, start_s=4, end_s=8.5),)).after == "back"


def test_a_late_generator_leaves_it_unknown() -> None:
    values = [*GOOD, *[0.9] * 12]
    result = judged(values, doubt="the generator was late")
    assert (result.after, result.reason) == ("unknown", "the generator was late")
    assert judged([*GOOD, *[0.0] * 8], doubt="the generator was late").after == "back"


def test_a_load_that_ends_too_early_leaves_it_unknown() -> None:
    result = judged([*GOOD, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert result.after == "unknown"
    assert result.reason == "the load ended 2.0 s after the last fault, and it may take 4 s"


def test_an_operation_that_comes_no_more_leaves_it_unknown() -> None:
    result = judged([*GOOD, *[None] * 12])
    assert (result.during, result.after) == ("unknown", "unknown")


def test_without_a_fault_nothing_has_to_come_back() -> None:
    never = replace(FAULT, was_made=False)
    for faults in ((), (never,)):
        result = judged([*GOOD, 0.9, 0.9], faults=faults)
        assert (result.before, result.after, result.broken) == ("holds", "no fault", ())
        assert recovery_span([watched(GOOD)], faults) is None


def test_an_aborted_run_does_not_say_whether_it_came_back() -> None:
    (result,) = steady_results([watched([*GOOD, 0.9])], [FAULT], is_aborted=True)
    assert (result.after, result.reason) == ("unknown", "the run was aborted")


@pytest.mark.parametrize(
    ("before", "answer"),
    [(Look(2, 4, 0.2), "broken"), (Look(2, 4, None), "unknown"), (None, "unknown")],
)
def test_what_was_not_seen_to_hold_before(before: Look | None, answer: str) -> None:
    one = watched(GOOD)
    one.before = before
    (result,) = steady_results([one], ())
    assert result.before == answer
    assert bool(result.reason) is (answer == "unknown")


def test_the_last_fault_counts() -> None:
    later = replace(FAULT, start_s=9.0, end_s=12.0)
    assert recovery_span([watched(GOOD)], [FAULT, later]) == (12.0, 16.0)
    result = judged([*[0.0] * 12, *[0.9] * 12], faults=(FAULT, later))
    assert result.after == "not back"
