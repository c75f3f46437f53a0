"""The last screen of a run: the verdict and why, and what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from flashdrill.cli.console import can_link
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    OperationStats,
    RunResult,
)
from flashdrill.rehearsal.watcher import Finished
from flashdrill.report.closed_loop import beside_the_crowd, closed_loop_briefly
from flashdrill.report.next_steps import next_steps
from flashdrill.report.steady_state import moment, sentence, tone
from flashdrill.report.wording import count, measured, printable, seconds

COLORS = {Conclusion.PASS: "green", Conclusion.FAIL: "red"}
OTHER_COLOR = "yellow"
MOST_REASONS = 8
MOST_EXAMPLES = 3
MOST_UNKNOWN = 3


def show_outcome(finished: Finished, console: Console) -> None:
    """Print it. A reader that has gone changes nothing about how the run ended.

    The verdict comes after the tables, so that it is to be seen without scrolling.
    """
    try:
        for part in _parts(finished, console):
            console.print(part, soft_wrap=isinstance(part, Text))
    except (OSError, SystemExit):  # rich leaves by SystemExit when a pipe breaks
        _give_up_stdout()


def _parts(finished: Finished, console: Console) -> Iterator[RenderableType]:
    """Tables and what wraps by words; texts are left as they are, so that they can be copied."""
    result = finished.result
    wraps = console.is_terminal
    yield Text()
    if result.faults:
        yield faults_table(result)
    yield from _invariants(result, wraps=wraps)
    yield from _steady(result, wraps=wraps)
    yield from _gates(result, wraps=wraps)
    if orders := _orders(result):
        yield _orders_line(orders, wraps=wraps)
    yield Text()
    yield banner(result, is_terminal=wraps)
    yield from _bullets(result.verdict.reasons, wraps=wraps)
    yield _field("bottleneck", result.bottleneck.sentence, wraps=wraps)
    if (knee := result.capacity.knee) is not None:
        yield _field("knee", knee.sentence, wraps=wraps)
    if words := closed_loop_briefly(result):
        yield _field("omission", words, wraps=wraps)
    if others := beside_the_crowd(result):
        yield _field("beside", others, wraps=wraps)
    yield _field("report", _path(finished.folder / "report.html", console))
    yield _field("summary", _path(finished.folder / "summary.json", console))
    yield _field("again", result.command)
    yield from _next(result, wraps=wraps)


def banner(result: RunResult, *, is_terminal: bool) -> RenderableType:
    """The verdict, not to be overlooked."""
    conclusion = result.verdict.conclusion
    color = COLORS.get(conclusion, OTHER_COLOR)
    words = conclusion.value.replace("_", " ").upper()
    name = str(result.scenario.get("name", ""))
    if not is_terminal:
        return Text(f"{words}  {name}\n{'=' * len(f'{words}  {name}')}")
    text = Text.assemble((f"  {words}  ", f"bold reverse {color}"), f"  {name}")
    return Panel(text, box=box.HEAVY, border_style=color, padding=(0, 1))


def faults_table(result: RunResult) -> Table:
    """One line for each fault that has begun."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("fault", "what", "observed", "healed", "detected", "recovered"):
        table.add_column(column, overflow="fold")
    for fault in result.faults:
        table.add_row(
            Text(fault.id),
            Text(", ".join(filter(None, (f"{fault.kind} on {fault.target}", moment(fault))))),
            _observed(fault),
            Text("yes") if fault.healed else Text("NO", "bold red"),
            "–" if fault.detect_s is None else f"after {seconds(fault.detect_s)}",
            "–" if fault.recover_s is None else f"after {seconds(fault.recover_s)}",
        )
    return table


def _observed(fault: FaultRecord) -> Text:
    if not fault.was_due:
        return Text("not due")
    return Text("yes") if fault.effect_observed else Text("NO", "bold yellow")


def _steady(result: RunResult, *, wraps: bool) -> Iterator[RenderableType]:
    """A line for each condition of the steady state."""
    if not result.steady_state:
        return
    well = sum(tone(state) == "holds" for state in result.steady_state)
    yield _field("steady", f"{well} of {len(result.steady_state)} as before")
    for state in result.steady_state:
        yield _hanging("  ", Text(f"{state.text}: {sentence(state)}"), wraps=wraps)


def _bullets(lines: tuple[str, ...], *, wraps: bool) -> Iterator[RenderableType]:
    for line in lines[:MOST_REASONS]:
        yield _hanging("  - ", Text(printable(line)), wraps=wraps)
    if len(lines) > MOST_REASONS:
        yield Text(f"  - and {len(lines) - MOST_REASONS} more, see summary.md", "dim")


def _orders(result: RunResult) -> OperationStats | None:
    """Every order of the whole run."""
    whole = (o for o in result.operations if o.kind == "place_order" and not o.stage)
    return next(whole, None)


def _orders_line(orders: OperationStats, *, wraps: bool) -> RenderableType:
    parts = [
        f"{count(orders.due)} due",
        f"{count(orders.ok)} ok ({count(orders.queued)} queued first)",
        f"{count(orders.refused)} refused",
        f"{count(orders.fail)} failed",
        f"{count(orders.info)} unknown",
        f"p50 {seconds(orders.response.p50)}",
        f"p99 {seconds(orders.response.p99)}",
    ]
    return _field("orders", ", ".join(parts), wraps=wraps)


def _invariants(result: RunResult, *, wraps: bool) -> Iterator[RenderableType]:
    holding = sum(i.status is InvariantStatus.HOLDS for i in result.invariants)
    unasked = f", {len(result.not_checked)} not checked" if result.not_checked else ""
    yield _field("invariants", f"{holding} of {len(result.invariants)} hold{unasked}")
    violated = [i for i in result.invariants if i.status is InvariantStatus.VIOLATED]
    unknown = [i for i in result.invariants if i.status is InvariantStatus.UNKNOWN]
    for invariant in (*violated, *unknown[:MOST_UNKNOWN]):
        yield _hanging("  ", _invariant(invariant), wraps=wraps)
    yield from _rest(unknown)


def _invariant(invariant: Invariant) -> Text:
    is_violated = invariant.status is InvariantStatus.VIOLATED
    word = ("VIOLATED", "bold red") if is_violated else ("unknown", "yellow")
    text = Text.assemble(word, printable(f" {invariant.name}: {invariant.found}"))
    if invariant.examples:
        more = len(invariant.examples) - MOST_EXAMPLES
        examples = ", ".join(invariant.examples[:MOST_EXAMPLES])
        text.append(printable(f"; for example {examples}"), "bold")
        text.append(f" and {more} more" if more > 0 else "")
    return text


def _gates(result: RunResult, *, wraps: bool) -> Iterator[RenderableType]:
    if not result.gates:
        return
    passing = sum(gate.status == "pass" for gate in result.gates)
    yield _field("gates", f"{passing} of {len(result.gates)} pass")
    failed = [gate for gate in result.gates if gate.status == "fail"]
    unknown = [gate for gate in result.gates if gate.status not in ("pass", "fail")]
    for gate in (*failed, *unknown[:MOST_UNKNOWN]):
        yield _hanging("  ", _gate(gate), wraps=wraps)
    yield from _rest(unknown)


def _rest(unknown: Sequence[Invariant | GateResult]) -> Iterator[RenderableType]:
    if len(unknown) > MOST_UNKNOWN:
        yield Text(f"  and {len(unknown) - MOST_UNKNOWN} more unknown, see summary.md", "dim")


def _gate(gate: GateResult) -> Text:
    word = ("FAILED", "bold red") if gate.status == "fail" else ("unknown", "yellow")
    reason = f" ({gate.reason})" if gate.reason else ""
    return Text.assemble(word, f" {gate.text}: measured {measured(gate.value, gate.unit)}{reason}")


def _next(result: RunResult, *, wraps: bool) -> Iterator[RenderableType]:
    steps = next_steps(result)
    if steps:
        yield Text("try next:", "bold")
    for number, step in enumerate(steps, 1):
        yield _hanging(f"  {number}. ", Text(printable(step.text)), wraps=wraps)
        yield Text(f"     {step.command}", "cyan")


def _field(name: str, value: str | Text, *, wraps: bool = False) -> RenderableType:
    text = Text(printable(value)) if isinstance(value, str) else value
    return _hanging(f"{name}:".ljust(12), text, wraps=wraps, style="bold")


def _hanging(lead: str, text: Text, *, wraps: bool, style: str = "") -> RenderableType:
    """A text whose further lines, where it wraps, begin where its first one does."""
    if not wraps:
        return Text.assemble((lead, style), text)
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(lead, style), text)
    return table


def _path(path: Path, console: Console) -> Text:
    link = Style(link=path.as_uri()) if can_link(console) else Style()
    return Text(str(path), link)


def _give_up_stdout() -> None:
    """Let the interpreter flush into nothing at its end, instead of failing there."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
