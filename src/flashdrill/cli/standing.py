"""`flashdrill up`, `down` and `status`: the embedded stack by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from flashdrill.cli.completing import complete_plan

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".flashdrill"),
    show_default=True,
    help="Folder that holds the stack's data and addresses.",
)


@click.command(
    epilog="""
\b
Examples:
  flashdrill up
  flashdrill up --toxiproxy real
  flashdrill up --chaos chaos/plans/every_fault.yaml
"""
)
@state_option
@click.option(
    "--toxiproxy",
    default="auto",
    show_default=True,
    help="auto, real or embedded: which Toxiproxy server to run.",
)
@click.option(
    "--chaos",
    "plans",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_plan,
    help="Provide what the faults of a plan need besides: the edge, a clock, a small disk; may be repeated.",
)
def up(state: Path, toxiproxy: str, plans: tuple[Path, ...]) -> int:
    """Start the embedded stack and leave it running."""
    from flashdrill.rehearsal.topology import provisions_of  # noqa: PLC0415  (a quick --help)
    from flashdrill.stack.up import up as start  # noqa: PLC0415

    wanted = provisions_of(plans)
    standing = asyncio.run(start(state, toxiproxy=toxiproxy, progress=_tell, provisions=wanted))
    click.echo(standing.table())
    return 0


@click.command(
    epilog="""
\b
Example:
  flashdrill down
"""
)
@state_option
def down(state: Path) -> int:
    """Stop the stack that `flashdrill up` started."""
    from flashdrill.stack.up import down as stop  # noqa: PLC0415

    asyncio.run(stop(state))
    click.echo("the stack is down")
    return 0


@click.command(
    epilog="""
\b
Example:
  flashdrill status
"""
)
@state_option
def status(state: Path) -> int:
    """Say what runs where; exit code 4 when something is down."""
    from flashdrill.stack.up import status as ask  # noqa: PLC0415

    standing = asyncio.run(ask(state))
    click.echo(standing.table())
    return 0 if standing.is_healthy else 4


def _tell(name: str, seconds: float) -> None:
    click.echo(f"  {name:<12} ready after {seconds:.1f} s")
