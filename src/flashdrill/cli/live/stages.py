"""The whole run as a bar: its stages, how far it is, and where faults are planned.

stages      browse      rush                           steady
24 %        ━━━━━━━━━━━━│━━━━━━━━━━●───────────────────│─────────────────
faults                       ▓▓▓▓▓▓█░░                      ░░░░
"""

from __future__ import annotations

from rich.text import Text

from flashdrill.cli.live.row import LABEL, Row, row
from flashdrill.cli.live.story import FaultStory, Story
from flashdrill.model.scenario import Stage

DONE, HERE, AHEAD, BORDER = "━", "●", "─", "│"


def stage_rows(story: Story, t_s: float, width: int) -> list[Row]:
    """Three rows: names, progress, faults; `width` is the whole screen's."""
    room = max(10, width - LABEL - 1)
    total_s = max(story.scenario.duration_s, 0.001)
    share = min(1.0, t_s / total_s)
    rows = [
        Row(Text.assemble(row("stages").text, _names(story.scenario.stages, t_s, room)), 3),
        row(f"{share:.0%}", *_bar(story.scenario.stages, share, room)),
    ]
    if story.faults:
        marks = _marks(list(story.faults.values()), t_s, total_s, room)
        rows.append(Row(Text.assemble(row("faults").text, marks), 5))
    return rows


def _names(stages: tuple[Stage, ...], t_s: float, room: int) -> Text:
    total_s = stages[-1].end_s if stages else 1.0
    text = Text()
    for stage in stages:
        start, end = (round(moment / total_s * room) for moment in (stage.start_s, stage.end_s))
        is_now = stage.start_s <= t_s < stage.end_s
        text.append(
            stage.name[: max(0, end - start - 1)].ljust(end - start), "bold" if is_now else "dim"
        )
    return text


def _bar(stages: tuple[Stage, ...], share: float, room: int) -> list[tuple[str, str]]:
    total_s = stages[-1].end_s if stages else 1.0
    borders = {round(stage.start_s / total_s * room) for stage in stages[1:]}
    here = min(room - 1, int(share * room))
    cells = [BORDER if c in borders else DONE if c < here else AHEAD for c in range(room)]
    if share < 1.0:
        cells[here] = HERE
        return [("".join(cells[: here + 1]), "green"), ("".join(cells[here + 1 :]), "dim")]
    return [("".join(DONE if c == AHEAD else c for c in cells), "green")]


def _marks(faults: list[FaultStory], t_s: float, total_s: float, room: int) -> Text:
    """One mark for each moment with a fault: ahead, in force, over."""
    cells = [(" ", "")] * room
    for fault in faults:
        first = int(fault.planned.start_s / total_s * room)
        last = max(first + 1, round(fault.planned.end_s / total_s * room))
        for cell in range(first, min(last, room)):
            if cells[cell][0] != "█":
                cells[cell] = _mark(fault)
    return Text.assemble(*cells)


def _mark(fault: FaultStory) -> tuple[str, str]:
    if fault.is_over:
        return ("▓", "dim")
    return ("█", "yellow") if fault.is_in_force else ("░", "dim")
