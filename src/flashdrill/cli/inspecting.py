"""`flashdrill validate`, `schema` and `list`: files looked at without starting anything."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flashdrill.cli.completing import complete_scenario_or_plan
from flashdrill.errors import ConfigError, FlashdrillError

KINDS = ("scenario", "plan", "traffic", "summary")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=complete_scenario_or_plan,
)
def validate(files: tuple[Path, ...]) -> int:
    """Check scenarios, fault plans and traffic models."""
    from flashdrill.plan.validate import validate_file  # noqa: PLC0415  (a quick --help)

    failed: FlashdrillError | None = None
    for path in files:
        try:
            click.echo(f"{path}: a valid {validate_file(path)}")
        except ConfigError as error:
            click.echo(f"flashdrill: {error}", err=True)
            failed = error
    return failed.exit_code if failed else 0


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> int:
    """Print the JSON Schema of a kind of file."""
    from flashdrill.plan.schema import schema_for  # noqa: PLC0415
    from flashdrill.report.summary import summary_schema  # noqa: PLC0415

    document = summary_schema() if kind == "summary" else schema_for(kind)
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


@click.command(name="list")
def list_files() -> int:
    """List the scenarios, plans and runs of the current folder."""
    for title, pattern in (
        ("scenarios", "scenarios/**/*.yaml"),
        ("fault plans", "chaos/plans/*.yaml"),
        ("runs", "reports/runs/*/summary.json"),
    ):
        click.echo(f"{title}:")
        for path in sorted(Path().glob(pattern)):
            click.echo(f"  {path.parent if path.name == 'summary.json' else path}")
    return 0
