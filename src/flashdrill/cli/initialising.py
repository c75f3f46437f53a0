"""`flashdrill init`: the files that somebody starts with, in a repository that is there already."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from flashdrill.cli.choices import target_choice
from flashdrill.errors import EXIT_PASS, ConfigError

EPILOG = """
What is there already is left as it is.

\b
Examples:
  flashdrill init --target http://127.0.0.1:8000
  flashdrill init --reference
"""
OWN = """\
  flashdrill validate scenarios chaos/plans
  flashdrill run scenarios/first.yaml
and with a Toxiproxy between the service and its database:
  flashdrill run scenarios/first.yaml --chaos chaos/plans/first.yaml \\
    --toxiproxy http://127.0.0.1:8474 --adopt db=postgres"""
REFERENCE = """\
  flashdrill validate scenarios chaos/plans
  flashdrill run scenarios/smoke.yaml"""


@click.command(epilog=EPILOG)
@click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)
@click.option(
    "--target",
    callback=target_choice,
    metavar="URL",
    default="",
    help="Where your service runs; http://127.0.0.1:8000 when nothing is said.",
)
@click.option("--reference", is_flag=True, help="The reference's scenarios and plans instead.")
def init(folder: Path, target: str, reference: bool) -> int:
    """Write a commented first scenario, its requests and a fault plan into FOLDER (here)."""
    from flashdrill.plan import starting  # noqa: PLC0415  (a quick --help)
    from flashdrill.stack.reference import reference_root  # noqa: PLC0415

    if reference and target:
        raise ConfigError("--reference has a service of its own", remedy="leave out --target")
    files = (
        starting.reference(reference_root())
        if reference
        else starting.starter(target or starting.DEFAULT_URL)
    )
    found = starting.put(folder, files)
    for path in found.written:
        click.echo(f"written: {folder / path}")
    for path in found.kept:
        click.echo(f"left as it is: {folder / path} is there already")
    click.echo("next:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    click.echo(REFERENCE if reference else OWN)
    return EXIT_PASS
