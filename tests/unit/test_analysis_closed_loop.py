"""What a closed loop would have told: it fires on a history with a stall and is silent on a smooth one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from flashdrill.analysis.closed_loop import closed_loops, taken_by, users_needed
from flashdrill.analysis.columns import columns
from flashdrill.model.op import Op
from flashdrill.model.result import ClosedLoop, RunResult
from flashdrill.report.closed_loop import closed_loop
from flashdrill.report.html import render
from flashdrill.report.markdown import lines
from tests.tutorial import Command, mismatch, steps_of
from tests.unit.analysis_history import operation, steady, table, valid
from tests.unit.test_outcome import in_a_log
from tests.unit.test_report import TEMPLATES, sample

ROOT = Path(__file__).parents[2]


def stalled(from_s: float = 4.0, to_s: float = 6.0, run_s: float = 10.0) -> list[Op]:
    """100 a second, each answered in 10 ms; who is due in the stall waits for its end."""
    return [
        operation(n / 100, took_s=max(to_s - n / 100, 0.0) + 0.01 if from_s <= n / 100 < to_s else 0.01)
        for n in range(round(run_s * 100))
    ]  # fmt: skip


def found(*parts: list[Op], run_s: float = 10.0, is_valid: bool = True) -> tuple[ClosedLoop, ...]:
    return closed_loops(table(*parts), [valid(is_valid=is_valid)], {"rush": run_s})


def test_a_stall_is_what_a_closed_loop_hides() -> None:
    (loop,) = found(stalled())
    assert (loop.stage, loop.operation) == ("rush", "place_order")
    assert loop.users == 4  # one is busy all the time: 1 + 3·√1
    assert loop.closed.count == 1000 - 201 + 4
    assert loop.response.p95 == pytest.approx(1.51)  # 2 s less the 50 that were worse, and 10 ms
    assert loop.closed.p95 == loop.closed.p99 == pytest.approx(0.01)
    assert loop.closed.max == pytest.approx(2.01)


def test_a_smooth_run_gives_nothing_to_say() -> None:
    assert not found(steady(0, 10))


def test_a_run_that_is_slow_from_end_to_end_gives_nothing_to_say() -> None:
    assert not found(steady(0, 10, took_s=0.8))


def test_enough_users_see_the_whole_stall() -> None:
    part = columns(table(stalled()))
    assert taken_by(part, 201).all()
    assert taken_by(part, 4).sum() == 803


def test_each_user_has_one_operation_open_at_a_time() -> None:
    part = columns(table(stalled()))
    one = part.where(taken_by(part, 1))
    assert (one.due_ns[1:] >= one.done_ns[:-1]).all()


def test_the_users_that_a_rate_needs() -> None:
    assert users_needed(columns(table(steady(0, 10, took_s=0.001))), 10) == 2
    assert users_needed(columns(table(steady(0, 10, took_s=0.1))), 10) == 20
    assert users_needed(columns(table(steady(0, 10, took_s=0.0001))), 10) == 2


@pytest.mark.parametrize("took_s", [0.0005, 0.003, 0.01, 0.05])
def test_few_find_all_users_busy_while_nothing_stands_still(took_s: float) -> None:
    """Under 4 %, as the loss formula has it, and its chance: Poisson arrivals, 100 a second."""
    gaps = np.random.default_rng(2).exponential(0.01, 5000)
    part = columns(table([operation(t, took_s=took_s) for t in np.cumsum(gaps)]))
    left_out = 1 - taken_by(part, users_needed(part, gaps.sum())).mean()
    assert left_out < 0.05


def test_a_late_generator_is_not_taken_for_a_slow_service() -> None:
    late = [operation(n / 100, late_s=1.0) for n in range(100)]
    assert found(steady(0, 9), late)  # it would be
    assert not found(steady(0, 9), late, is_valid=False)


def test_few_operations_and_those_that_never_left_say_nothing() -> None:
    few = [op for n, op in enumerate(stalled()) if n % 12 == 0]
    assert not found(few)
    left_out = [operation(n / 100, is_sent=False) for n in range(1000)]
    assert not found(left_out)


def reported(*parts: list[Op]) -> RunResult:
    return dataclasses.replace(sample(), closed_loop=found(*parts))


def test_every_report_says_what_plain_locust_would_have_shown() -> None:
    figures = "p99 of place_order in rush is 1.91 s, from when each was due. Plain Locust would have shown about 10 ms."
    reason = "4 users would have kept this rate, and sent 803 of 1 000 operations, but not the 197"
    result = reported(stalled())
    page, text, screen = render(result, TEMPLATES), "\n".join(lines(result)), in_a_log(result)
    for report in (page, text, screen):
        assert figures in report
    assert reason in page
    assert reason in text
    assert reason not in screen  # the last screen is short


def test_no_report_says_it_of_a_smooth_run() -> None:
    result = reported(steady(0, 10))
    assert not closed_loop(result)
    for report in (render(result, TEMPLATES), "\n".join(lines(result)), in_a_log(result)):
        assert "Locust" not in report
        assert "omission" not in report


def test_the_worst_one_comes_first_and_the_others_are_named() -> None:
    slight = [
        operation(n / 100, kind="get_product", took_s=0.2 if 400 <= n < 420 else 0.01)
        for n in range(1000)
    ]
    loops = found(stalled(), slight)
    assert [loop.operation for loop in loops] == ["place_order", "get_product"]
    said = closed_loop(dataclasses.replace(sample(), closed_loop=loops))
    assert said.startswith("p99 of place_order in rush")
    assert said.endswith("The same holds for get_product in rush.")


def test_users_of_plain_locust_beside_the_crowd_are_told_of_and_nobody_else() -> None:
    generator = {"closed_users": ["Waiting"], "closed_requests": 1234}
    result = dataclasses.replace(sample(), load={"due": 18, "generator": generator})
    wanted = "Beside the crowd came users of plain Locust: Waiting, 1 234 requests."
    for report in (render(result, TEMPLATES), "\n".join(lines(result)), in_a_log(result)):
        assert wanted in report
    for report in (render(sample(), TEMPLATES), "\n".join(lines(sample())), in_a_log(sample())):
        assert "eside the crowd" not in report


def test_the_page_says_when_later_steps_are_due() -> None:
    page = render(sample(), TEMPLATES)
    assert "is due at the end of the one before plus the time to think" in page


def test_the_tutorial_allows_for_the_line_and_for_none() -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    first_run = next(
        step for step in steps_of(page) if isinstance(step, Command) and len(step.expected) > 9
    )
    start = first_run.expected.index("bottleneck: …")
    expected = first_run.expected[start : start + 3]
    for result, lines_more in ((reported(steady(0, 10)), 0), (reported(stalled()), 1)):
        screen = in_a_log(result).splitlines()
        first = next(place for place, line in enumerate(screen) if line.startswith("bottleneck:"))
        last = next(place for place, line in enumerate(screen) if line.startswith("report:"))
        assert last - first == 1 + lines_more
        assert not mismatch(expected, [*screen[first:last], "report:     …/report.html"])
