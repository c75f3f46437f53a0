"""`flashdrill list`: what there is in the current folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from flashdrill.cli.shelf import FaultRow, PlannedRow, PlanRow, RunRow, ScenarioRow

MOST_RUNS = 10
"""Of a list of everything; `flashdrill list runs` has them all."""

EPILOG = """
\b
Examples:
  flashdrill list
  flashdrill list faults
  flashdrill list runs --format json
"""
VERDICT_STYLES = {"pass": "green", "fail": "red"}


@dataclass(frozen=True, slots=True)
class _Section:
    """One kind of thing: how it is found, and drawn."""

    find: Callable[[], list[Any]]
    draw: Callable[[list[Any]], Table]


@click.command(name="list", epilog=EPILOG)
@click.argument("what", required=False, type=click.Choice(["scenarios", "plans", "faults", "runs"]))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Tables for people, JSON for scripts.",
)
def list_files(what: str | None, form: str) -> int:
    """List scenarios, fault plans, kinds of faults, and runs, newest first.

    They are looked for in the current folder: scenarios/, chaos/plans/, chaos/faults/ and reports/runs/. A file that
    is broken is listed with its error.
    """
    import msgspec  # noqa: PLC0415  (a quick --help)

    from flashdrill.cli.console import open_console  # noqa: PLC0415

    sections = _sections()
    wanted = {what: sections[what]} if what else sections
    found = {name: section.find() for name, section in wanted.items()}
    if form == "json":
        document = found[what] if what else found
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return 0
    console = open_console()
    for name, section in wanted.items():
        _show(console, name, section, found[name], is_short=what is None)
    return 0


def _sections() -> dict[str, _Section]:
    from flashdrill.cli import shelf  # noqa: PLC0415

    return {
        "scenarios": _Section(shelf.scenarios, _scenarios),
        "plans": _Section(shelf.plans, _plans),
        "faults": _Section(shelf.faults, _faults),
        "runs": _Section(shelf.runs, _runs),
    }


def _show(
    console: Console, name: str, section: _Section, rows: list[Any], *, is_short: bool
) -> None:
    from rich.text import Text  # noqa: PLC0415

    from flashdrill.cli.shelf import PLACES  # noqa: PLC0415

    console.print(Text(f"{name}:", "bold"))
    if not rows:
        console.print(Text(f"  none: looked for {PLACES[name]} in the current folder\n"))
        return
    is_cut = is_short and name == "runs" and len(rows) > MOST_RUNS
    console.print(section.draw(rows[:MOST_RUNS] if is_cut else rows))
    if is_cut:
        console.print(f"and {len(rows) - MOST_RUNS} more: flashdrill list runs")
    if name == "faults":
        console.print(f"targets: {_targets()}")
    console.print()


def _targets() -> str:
    """What a plan can break here, and what kind of thing each is."""
    from flashdrill.rehearsal.topology import target_names  # noqa: PLC0415

    return ", ".join(f"{name} ({', '.join(sorted(k))})" for name, k in target_names().items())


def _table(head: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _scenarios(rows: list[ScenarioRow]) -> Table:
    return _table(
        ("file", "lasts", "peak", "what", "gates", "faults"),
        (
            (
                row.path,
                _seconds(row.duration_s) if not row.error else "",
                "" if row.peak_per_s is None else f"{row.peak_per_s:g}/s",
                _error(row.error) if row.error else row.description or row.name,
                "" if row.error else str(len(row.gates)),
                "\n".join(plan.rpartition("/")[2] for plan in row.plans),
            )
            for row in rows
        ),
    )


def _plans(rows: list[PlanRow]) -> Table:
    return _table(
        ("file", "what", "faults"),
        (
            (
                row.path,
                _error(row.error) if row.error else row.description or row.name,
                "\n".join(f"{f.id}: {f.kind} on {_on(f)}" for f in row.faults),
            )
            for row in rows
        ),
    )


def _on(fault: PlannedRow) -> str:
    names = ", ".join(fault.targets)
    return names if len(fault.targets) == 1 else f"{fault.choose} of {names}"


def _faults(rows: list[FaultRow]) -> Table:
    return _table(
        ("kind", "what it does", "done to", "parameters"),
        (
            (
                f"{row.kind} (own)" if row.is_own and not row.error else row.kind,
                _error(row.error) if row.error else _what(row),
                ", ".join(row.target_kinds),
                "\n".join(
                    f"{p.name}: {p.type}, {'required' if p.default is None else p.default}"
                    for p in row.parameters
                ),
            )
            for row in rows
        ),
    )


def _what(row: FaultRow) -> RenderableType:
    """What a fault does, and what is missing for it here."""
    from rich.text import Text  # noqa: PLC0415

    if not row.unavailable:
        return row.description
    return Text.assemble(row.description, "\n", (f"not here: {row.unavailable}", "yellow"))


def _runs(rows: list[RunRow]) -> Table:
    from rich.text import Text  # noqa: PLC0415

    return _table(
        ("run", "verdict", "scenario", "started (UTC)", "lasted", "report"),
        (
            (
                row.name,
                Text(row.verdict.upper(), VERDICT_STYLES.get(row.verdict, "yellow"))
                if row.verdict
                else _error(row.error or "not ended"),
                row.scenario,
                row.started_at.replace("T", " ")[:16],
                _seconds(row.duration_s) if row.verdict else "",
                row.report,
            )
            for row in rows
        ),
    )


def _seconds(value: float | None) -> str:
    return "as recorded" if value is None else f"{value:.0f} s"


def _error(text: str) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    return Text(text, "red")
