"""`flashdrill inject`: the faults of a plan on a stack that is up, and no load."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flashdrill.cli.completing import complete_plan, complete_scenario
from flashdrill.cli.standing import state_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from flashdrill.model.faults import FaultRecord
    from flashdrill.rehearsal.injection import Step

EPILOG = """
Exit codes: 0 every fault was seen to take effect, and is healed; 2 wrong usage or plan; 3 something was not seen;
4 something is not healed, or there is no stack that could be used; 130 interrupted, after healing.

\b
Examples:
  flashdrill up --chaos chaos/plans/every_fault.yaml
  flashdrill inject chaos/plans/every_fault.yaml
  flashdrill inject chaos/plans/promotion_night.yaml --scenario scenarios/flash_sale.yaml
"""


@click.command(epilog=EPILOG)
@click.argument(
    "plans",
    nargs=-1,
    required=True,
    metavar="PLAN...",
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_plan,
)
@state_option
@click.option("--seed", type=int, help="Of what a plan leaves to chance; a plan's own comes first.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_scenario,
    help="Whose stages a plan's times are tied to; nothing else of it is used.",
)
def inject(plans: tuple[Path, ...], state: Path, seed: int | None, scenario: Path | None) -> int:
    """Make the faults of PLAN on the stack that `flashdrill up` started, without any load.

    Each is looked for, and healed when its time is over.
    """
    from rich.text import Text  # noqa: PLC0415  (a quick --help)

    from flashdrill.cli.console import open_console  # noqa: PLC0415
    from flashdrill.cli.progress import fault_line, stamped  # noqa: PLC0415
    from flashdrill.rehearsal import injection  # noqa: PLC0415

    prepared = injection.prepare_injection(plans, scenario=scenario, seed=seed)
    console = open_console()
    console.print(
        f"{len(prepared.plan.faults)} faults of {prepared.plan.name} in {prepared.length_s:g} s, no load",
        soft_wrap=True,
    )
    if prepared.is_watched:
        console.print("its steady_state and abort are not looked at: there is no load")

    def show(step: Step) -> None:
        line = stamped(step.at_s, fault_line({"detail": _said(step), **step.event}))
        console.print(line, soft_wrap=True)

    def begun() -> None:
        console.print(stamped(0.0, Text("the timetable begins")))

    found = asyncio.run(injection.inject(prepared, state, show, begun))
    console.print()
    console.print(_table(found.records))
    return found.exit_code


def _said(step: Step) -> str:
    """What is to say of a step that says nothing itself."""
    event, record = step.event, step.record
    if record is None:
        return ""
    match event["phase"]:
        case "inject":
            return f"{event['kind']} on {event['target']}"
        case "observed":
            return _seen(record)
        case "healed":
            return f"after {record.end_s - record.start_s:.1f} s in force"
        case _:
            return ""


def _table(records: Iterable[FaultRecord]) -> Table:
    """One line for each fault that has begun."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("fault", "what", "in force", "observed", "healed", "seen"):
        table.add_column(column, overflow="fold")
    for fault in records:
        table.add_row(
            Text(fault.id),
            Text(f"{fault.kind} on {fault.target}"),
            f"{fault.end_s - fault.start_s:.1f} s",
            Text("yes") if fault.effect_observed else Text("NO", "bold yellow"),
            Text("yes") if fault.healed else Text("NO", "bold red"),
            Text(fault.error or _seen(fault)),
        )
    return table


def _seen(record: FaultRecord) -> str:
    from flashdrill.report.evidence import main_figures  # noqa: PLC0415  (a quick --help)

    return main_figures(record.evidence)
