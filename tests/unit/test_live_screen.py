"""The live screen as text: what is on it before, during and after the load, in windows of any size."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, Group

from flashdrill.cli.live.row import fit, row
from flashdrill.cli.live.screen import LOG_LINES, screen
from flashdrill.cli.live.spark import spark
from flashdrill.cli.live.story import Story
from flashdrill.model.faults import FaultPlan, PlannedFault, Trigger
from flashdrill.plan.conditions import parse_condition
from flashdrill.rehearsal.watcher import ServiceNow
from tests.unit.live_story import PLAN, SCENARIO, draining, second, starting, step, under_load


def drawn(story: Story, at_s: float, width: int = 80, height: int = 24) -> str:
    """The screen without colours."""
    return "\n".join(line.plain for line in screen(story, at_s, width, height))


def printed(story: Story, at_s: float, *, color: bool) -> str:
    """The screen as a terminal gets it."""
    out = StringIO()
    console = Console(
        file=out, width=80, force_terminal=True, color_system="standard", no_color=not color
    )
    console.print(Group(*screen(story, at_s, 80, 24)))
    return out.getvalue()


def test_before_the_load_it_shows_who_answers_and_what_is_ahead() -> None:
    text = drawn(starting(), 2.5)
    assert "bringing the stack up · 2.0 s" in text
    assert "redis 0.1 s" in text
    assert "shard0 1.1 s" in text
    assert "90 s of load in 3 stages, 4 faults" in text
    assert "rush" in text
    assert "shard-timeout" in text


def test_something_moves_from_one_drawing_to_the_next() -> None:
    assert drawn(starting(), 2.5) != drawn(starting(), 2.75)


def test_under_load_everything_is_on_80_by_24() -> None:
    text = drawn(under_load(), 20.5)
    assert "rush  18 of 90 s, 72 s left" in text  # half a second after the last one was told
    for wanted in ("due 110/s", "sent 123/s", "in flight 38", "late p99 2.6 ms", "≤123"):
        assert wanted in text
    for wanted in ("p50 4.4 ms", "p95 120 ms", "p99 1 504 ms", "≤1 504"):
        assert wanted in text
    cells = next(line for line in text.splitlines() if "a second" in line).split()
    assert cells[2:] == ["95", "(12)", "7", "3", "2"]
    cells = next(line for line in text.splitlines() if "so far" in line).split()
    assert "".join(cells[2:]) == "1615(204)1195134"  # 17 seconds; groups are parted by a space
    assert len(text.splitlines()) <= 24 - LOG_LINES


def test_faults_in_force_come_with_what_is_left_of_them_and_the_next_with_its_time() -> None:
    lines = drawn(under_load(), 20.0).splitlines()
    cut = next(line for line in lines if "shard-timeout" in line)
    assert "in force" in cut
    assert "timeout on shard2" in cut
    assert "6.0 s left, observed" in cut
    kill = next(line for line in lines if "backend-kill" in line)
    assert "next" in kill
    assert "in 3.5 s" in kill


def test_a_fault_that_waits_says_for_what_and_is_counted_down_from_when_it_began() -> None:
    trigger = Trigger(0.0, 80.0, parse_condition("rate > 300/s"), is_optional=True)
    waiting = PlannedFault("wait", "kill", "backend", 0.0, 4.0, trigger=trigger)
    story = Story(SCENARIO, FaultPlan("p", Path("p.yaml"), (waiting,)))
    story.begin(3.0, "load and faults, 90 s")
    story.hear(19.0, second(t_s=16.0))
    assert "next      wait  kill on backend  when rate > 300/s" in drawn(story, 19.5)
    story.mark(step("wait", "inject"))
    story.hear(20.0, second(t_s=17.0))
    assert "in force  wait  kill on backend  3.0 s left" in drawn(story, 20.0)
    absent = Story(SCENARIO, FaultPlan("p", Path("p.yaml"), (waiting,)))
    absent.begin(3.0, "load and faults, 90 s")
    absent.hear(19.0, second(t_s=16.0))
    absent.mark(step("wait", "not due", "its condition never came true"))
    assert "not due   wait" in drawn(absent, 19.5)


def test_breakers_are_told_by_words_and_levels_and_queues_by_numbers() -> None:
    lines = drawn(under_load(), 20.0).splitlines()
    head = next(line for line in lines if line.startswith(" service"))
    breakers = next(line for line in lines if line.startswith("   breaker"))
    assert head.split() == ["service", "redis", "shard0", "shard1", "shard2"]
    assert breakers.split() == ["breaker", "closed", "closed", "HALF-OPEN", "OPEN"]
    level = next(line for line in lines if line.startswith("   level"))
    assert level.split() == ["level", "–", "0", "0", "1"]
    queue = next(line for line in lines if line.startswith("   queue"))
    assert queue.split() == ["queue", "–", "0", "0", "47"]


def test_without_colour_the_words_are_the_same() -> None:
    plain = drawn(under_load(), 20.0)
    assert "\x1b[31m" in printed(under_load(), 20.0, color=True) or "\x1b[1;31m" in printed(
        under_load(), 20.0, color=True
    )
    text = printed(under_load(), 20.0, color=False)
    assert "\x1b[31m" not in text
    for word in ("OPEN", "HALF-OPEN", "in force", "fail", "unknown"):
        assert word in plain
        assert word in text


def test_a_service_and_a_crowd_that_are_silent_are_said_to_be() -> None:
    story = under_load()
    story.hear(21.0, second(t_s=18.0, service=ServiceNow({"redis": "closed"}, {}, {}, 4.0)))
    assert "SILENT for 4 s" in drawn(story, 21.0)
    assert "crowd has said nothing" not in drawn(story, 22.0)
    assert "the crowd has said nothing for 6 s" in drawn(story, 27.0)


def test_a_fault_that_failed_says_why() -> None:
    story = under_load()
    story.mark(step("backend-kill", "failed", "injection failed: no such process"))
    assert "injection failed: no such process" in drawn(story, 20.0, width=120)


def test_after_the_load_the_phases_are_ticked_off_and_what_waits_is_counted() -> None:
    text = drawn(draining(), 97.5)
    assert "waiting until the queues are empty · 2.5 s, 1 234 records wait" in text
    assert "✓ load and faults, 90 s  92.0 s" in text
    assert "19%" in text, "the crowd's last word was at 17 of 90 s"


@pytest.mark.parametrize("size", [(80, 24), (60, 24), (200, 60), (59, 24), (40, 12), (20, 8)])
@pytest.mark.parametrize("story", [starting(), under_load(), draining()])
def test_it_fits_every_window(story: Story, size: tuple[int, int]) -> None:
    width, height = size
    lines = screen(story, 20.0, width, height)
    assert len(lines) < height
    assert max(line.cell_len for line in lines) < width


def test_a_narrow_window_keeps_what_matters() -> None:
    text = drawn(under_load(), 20.0, width=45)
    for wanted in ("rush 17/90 s", "due 110/s sent 123/s", "p99 1 504 ms", "unknown 2"):
        assert wanted in text
    assert "faults: shard-timeout" in text
    assert "shard1 half-open, shard2 open" in text


def test_a_low_window_leaves_the_small_bars_out_first() -> None:
    low, high = drawn(under_load(), 20.0, height=18), drawn(under_load(), 20.0, height=30)
    assert "≤123" in high
    assert "≤123" not in low
    assert "OPEN" in low
    assert "shard-timeout" in low


def test_more_columns_show_more_seconds() -> None:
    story = Story(SCENARIO, PLAN)
    for t_s in range(200):
        story.hear(float(t_s), second(t_s=float(t_s)))
    bars = [drawn(story, 200.0, width, 40).count("█") for width in (80, 160)]
    assert bars[0] < bars[1]


def test_bars_reach_from_nothing_to_the_largest_value() -> None:
    assert spark([0.0, 4.0, None, 8.0], 4) == "▁▅ █"
    assert spark([1.0, 2.0, 3.0], 2) == "▆█"
    assert spark([0.0, 0.0], 9) == "▁▁"
    assert spark([], 9) == ""


def test_rows_of_the_highest_rank_go_first() -> None:
    rows = [row("a", rank=0), row("b", rank=2), row("c", rank=1), row("d", rank=2)]
    assert [text.plain.strip() for text in fit(rows, 3)] == ["a", "b", "c"]
    assert [text.plain.strip() for text in fit(rows, 2)] == ["a", "c"]
    assert fit(rows, 0) == []
