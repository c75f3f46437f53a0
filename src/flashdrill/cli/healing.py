"""`flashdrill heal`: undo by hand what a run left behind that could not end by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flashdrill.cli.standing import state_option
from flashdrill.errors import EXIT_PASS, EXIT_STACK, ConfigError

if TYPE_CHECKING:
    from flashdrill.rehearsal.journals import Leftover

LIMIT_S = 15.0

EPILOG = """
Exit codes: 0 nothing is left; 2 wrong usage; 4 something is left, or may be.

\b
Examples:
  flashdrill heal --dry-run
  flashdrill heal
  flashdrill heal --forget
"""


@click.command(epilog=EPILOG)
@state_option
@click.option("--dry-run", is_flag=True, help="Say what would be undone, and do nothing.")
@click.option(
    "--forget", is_flag=True, help="Heal nothing: say what the journals hold, and drop them."
)
def heal(state: Path, dry_run: bool, forget: bool) -> int:
    """Undo the faults that a killed run or a power cut left behind.

    Runs that are under way are left alone.
    """
    from flashdrill.rehearsal.journals import held, leftovers  # noqa: PLC0415  (a quick --help)

    if dry_run and forget:
        raise ConfigError("--dry-run and --forget exclude each other", remedy="leave one out")
    for path in held(state):
        click.echo(f"{path}: its run is under way, so it is left alone")
    found = leftovers(state)
    if not found:
        click.echo("nothing is left to heal")
    return max((_treat(each, dry_run, forget) for each in found), default=EXIT_PASS)


def _show(leftover: Leftover) -> None:
    from flashdrill.stack.undo.words import in_words  # noqa: PLC0415

    gone = ", whose stack is gone" if leftover.has_lost_its_stack else ""
    click.echo(f"{leftover.path}{gone}")
    for fault, undos in leftover.faults:
        for undo in undos:
            click.echo(f"  {fault}: {in_words(undo)}")


def _treat(leftover: Leftover, dry_run: bool, forget: bool) -> int:
    _show(leftover)
    if dry_run:
        click.echo("  nothing was done")
        return EXIT_STACK
    if forget:
        leftover.path.unlink()
        click.echo("  dropped; what of it is in force stays in force")
        return EXIT_PASS
    return _heal(leftover)


def _heal(leftover: Leftover) -> int:
    from flashdrill.stack.healing import heal as heal_from  # noqa: PLC0415

    results = heal_from(leftover.path, is_stack_gone=leftover.has_lost_its_stack, limit_s=LIMIT_S)
    for fault, why in results.items():
        click.echo(f"  {fault}: NOT HEALED, {why}" if why else f"  {fault}: healed")
    if not any(results.values()):
        return EXIT_PASS
    click.echo(
        "  remedy: let those servers answer and run flashdrill heal again; if nothing of it can be left, "
        "flashdrill heal --forget"
    )
    return EXIT_STACK
