"""`flashdrill stop`: end what is under way, from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flashdrill.cli.standing import state_option
from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_STACK

if TYPE_CHECKING:
    from flashdrill.rehearsal.stopping import Stopped, UnderWay

EPILOG = """
Exit codes: 0 stopped, and all is healed; 2 wrong usage; 3 nothing is under way there: nothing was stopped; 4 it still
goes on, something is left in force, or it may not be stopped. The run itself ends with 130.

\b
Examples:
  flashdrill stop
  flashdrill stop --state /srv/shop/.flashdrill
"""


@click.command(epilog=EPILOG)
@state_option
def stop(state: Path) -> int:
    """Stop every run and injection that is under way: no more customers, faults healed, report written.

    The same as Ctrl-C in its own terminal. Looks in the folder .flashdrill where the run was started.
    """
    from flashdrill.rehearsal.stopping import under_way  # noqa: PLC0415  (a quick --help)

    found = under_way(state)
    if not found:
        click.echo(f"nothing is under way in {state}: nothing was stopped")
        click.echo("  remedy: do this where the run was started, or say its folder with --state")
        return EXIT_INCONCLUSIVE
    return max(_stop(each) for each in found)


def _stop(found: UnderWay) -> int:
    from flashdrill.rehearsal.stopping import stop as end  # noqa: PLC0415

    name = found.journal.stem
    told = "is stopping already" if found.is_stopping else "told to stop"
    click.echo(f"{found.command}, pid {found.pid}, {name}: {told}")
    seen = end(found)
    for line in _said(found, seen):
        click.echo(f"  {line}")
    return EXIT_PASS if seen.over_s is not None and not seen.left else EXIT_STACK


def _said(found: UnderWay, seen: Stopped) -> list[str]:
    from flashdrill.rehearsal.stopping import OVER_TIMEOUT_S  # noqa: PLC0415

    lines = []
    if seen.load_s is not None:
        lines.append(f"the load has ended, {seen.load_s:.2f} s after that")
    if seen.left:
        lines.append(f"may still be in force: {', '.join(seen.left)}")
        lines.append("remedy: flashdrill heal")
    if seen.over_s is None:
        lines.append(f"it still goes on after {OVER_TIMEOUT_S:g} s")
        lines.append(
            f"remedy: look at its terminal; kill -KILL {found.pid} ends it, and its guardian heals"
        )
    else:
        healed = "" if seen.left else "all is healed, and "
        lines.append(f"{healed}it is over, {seen.over_s:.2f} s after that")
    return lines
