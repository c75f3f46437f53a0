"""The whole screen as lines of text: a function of what was heard, the time and the size."""

from __future__ import annotations

from rich.text import Text

from flashdrill.cli.live.faults import fault_rows
from flashdrill.cli.live.narrow import narrow
from flashdrill.cli.live.row import Row, fit, row
from flashdrill.cli.live.service import service_rows
from flashdrill.cli.live.stages import stage_rows
from flashdrill.cli.live.story import Story
from flashdrill.cli.live.traffic import outcome_rows, rate_rows, response_rows
from flashdrill.rehearsal.watcher import LiveSecond
from flashdrill.report.wording import count

NARROW = 60
LOG_LINES = 4
"""So many lines are left to the log of events above the screen, where there is room for both."""
LEAST_LINES = 8
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
QUIET_S = 2.5
"""A crowd that speaks every second and has not for so long is said to be silent."""


def screen(story: Story, at_s: float, width: int, height: int) -> list[Text]:
    """What is to be seen now: at most `width` columns, and `height` lines less some for the log."""
    room = max(height - LOG_LINES, min(height - 1, LEAST_LINES))
    if width < NARROW:
        lines = narrow(story, at_s, width)[:room]
    elif story.is_loading and story.last is not None:
        lines = fit(_under_load(story, story.last, at_s, width, room), room)
    else:
        lines = fit(_between(story, at_s, width), room)
    for line in lines:
        line.no_wrap = True
        line.truncate(width - 1, overflow="ellipsis")
    return lines


def spinner(at_s: float) -> str:
    """Something that turns."""
    return SPINNER[int(at_s * 8) % len(SPINNER)]


def _under_load(story: Story, live: LiveSecond, at_s: float, width: int, room: int) -> list[Row]:
    t_s = story.t_s(at_s)
    rows = [
        row(""),
        _progress(story, live, at_s),
        *stage_rows(story, t_s, width),
        *rate_rows(story, live, width),
        *response_rows(story, live, width),
        *outcome_rows(story, live),
    ]
    service = service_rows(live.service, width)
    faults = fault_rows(story, t_s, max(2, room - len(rows) - len(service)))
    return [*rows, *faults, *service]


def _progress(story: Story, live: LiveSecond, at_s: float) -> Row:
    t_s, total_s = story.t_s(at_s), live.total_s
    name = (f" {story.scenario.name} ", "bold reverse")
    if story.silence_s(at_s) > QUIET_S:
        now = (f"  the crowd has said nothing for {story.silence_s(at_s):.0f} s", "bold red")
    elif t_s < total_s:
        now = (f"  {live.stage}  {t_s:.0f} of {total_s:.0f} s, {total_s - t_s:.0f} s left", "bold")
    else:
        now = ("  the last answers are awaited, and faults healed", "bold")
    return Row(Text.assemble(f" {spinner(at_s)} ", name, now))


def _between(story: Story, at_s: float, width: int) -> list[Row]:
    """Before the load and after it."""
    name = (f" {story.scenario.name} ", "bold reverse")
    for_s = at_s - story.phase_began_s
    waiting = f", {count(story.waiting)} records wait" if story.waiting else ""
    rows = [
        row("", rank=1),
        Row(
            Text.assemble(
                f" {spinner(at_s)} ",
                name,
                (f"  {story.phase}", "bold"),
                f" · {for_s:.1f} s{waiting}",
            )
        ),
    ]
    rows += _servers(story, width)
    if story.last is None:
        return rows + _ahead(story, width)
    rows += stage_rows(story, story.last.t_s, width)
    return rows + outcome_rows(story, story.last)[::2] + _phases(story)


def _servers(story: Story, width: int) -> list[Row]:
    """Who answers, in as many lines as it takes."""
    if story.last is not None or not story.servers:
        return []
    lines = [""]
    for name, seconds in story.servers:
        word = f"{name} {seconds:.1f} s   "
        if lines[-1] and len(lines[-1]) + len(word) > width - 16:
            lines.append("")
        lines[-1] += word
    return [row("" if n else "ready", (line, "green"), rank=1) for n, line in enumerate(lines)]


def _ahead(story: Story, width: int) -> list[Row]:
    scenario = story.scenario
    total = f"{scenario.duration_s:.0f} s of load in {len(scenario.stages)} stages, {len(story.faults)} faults"
    return [*stage_rows(story, 0.0, width), row("ahead", total, rank=2), *fault_rows(story, 0.0, 4)]


def _phases(story: Story) -> list[Row]:
    return [
        row("" if n else "done", (f"✓ {text}  {seconds:.1f} s", "dim"), rank=4)
        for n, (text, seconds) in enumerate(story.done)
    ]
