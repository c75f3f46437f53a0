"""The faults of the plan: in force, next, over."""

from __future__ import annotations

from flashdrill.cli.live.row import Row, row
from flashdrill.cli.live.story import FaultStory, Story


def fault_rows(story: Story, t_s: float, room: int) -> list[Row]:
    """At most `room` rows, in the order of the timetable: what is in force first of all, then what comes next."""
    faults = sorted(story.faults.values(), key=lambda fault: fault.planned.start_s)
    if not faults:
        return [row("faults", ("none planned", "dim"), rank=4)]
    upcoming = next((f for f in faults if not f.is_over and not f.is_in_force), None)
    urgent = sorted(faults, key=lambda fault: _urgency(fault, upcoming))
    shown = urgent if len(faults) <= room else urgent[: max(1, room - 1)]
    what = _columns([fault for fault in faults if fault in shown])
    rows = [
        _row(fault, what[fault.planned.id], t_s, is_next=fault is upcoming)
        for fault in faults
        if fault in shown
    ]
    if rest := [fault for fault in faults if fault not in shown]:
        rows.append(row("", (_summary(rest), "dim"), rank=4))
    label = row("faults").text
    first = rows[0].text
    return [Row(label + first[len(label) :], rows[0].rank), *rows[1:]]


def _urgency(fault: FaultStory, upcoming: FaultStory | None) -> int:
    """What is in force, what comes next, what went wrong, what is over, what comes later."""
    if fault.is_in_force:
        return 0
    if fault is upcoming:
        return 1
    if fault.trouble:
        return 2
    return 3 if fault.is_over else 4


def _columns(faults: list[FaultStory]) -> dict[str, str]:
    """What each fault is, by id, all of one width."""
    ids = {fault.planned.id: f"{fault.planned.kind} on {fault.planned.target}" for fault in faults}
    first, second = max(map(len, ids)), max(map(len, ids.values()))
    return {name: f"{name:<{first}}  {what:<{second}}" for name, what in ids.items()}


def _row(fault: FaultStory, what: str, t_s: float, *, is_next: bool) -> Row:
    planned = fault.planned
    if fault.is_in_force:
        left_s = fault.end_s - t_s
        when = f"{left_s:.1f} s left" if left_s > 0 else "healing"
        seen = "observed" if "observed" in fault.steps else fault.trouble or "not observed yet"
        return row("", (f"█ in force  {what}  {when}, {seen}", "bold yellow"))
    if fault.trouble:
        return row("", (f"✗ failed    {what}  {fault.trouble}", "red"), rank=1)
    if "not due" in fault.steps:
        return row("", (f"– not due   {what}", "dim"), rank=4)
    if fault.is_over:
        seen = "observed" if "observed" in fault.steps else "not observed"
        return row("", ("✓ healed    ", "green"), (f"{what}  {seen}", "dim"), rank=4)
    starts = f"in {max(0.0, planned.start_s - t_s):.1f} s"
    if planned.trigger:
        condition = planned.trigger.condition
        starts = f"when {condition.text}" if condition else f"with {planned.trigger.follows}"
    if is_next:
        return row("", f"░ next      {what}  {starts}", rank=1)
    return row("", (f"░ later     {what}  {starts}", "dim"), rank=5)


def _summary(faults: list[FaultStory]) -> str:
    over = sum(fault.is_over for fault in faults)
    parts = [f"{over} over"] if over else []
    parts += [f"{len(faults) - over} later"] if len(faults) > over else []
    return f"  and {', '.join(parts)}"
