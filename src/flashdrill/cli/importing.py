"""`flashdrill import`: recorded traffic into a traffic model."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="import")
def import_traffic() -> None:
    """Turn recorded traffic into a traffic model (traffic.yaml)."""


@import_traffic.command(
    epilog="""
\b
Examples:
  flashdrill import jtl results.jtl -o traffic.yaml
  flashdrill import jtl results.jtl -o traffic.yaml --map 'Fetch*=browse' --map Order=buy
"""
)
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The traffic model to write.",
)
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="LABEL=JOURNEY",
    help="Which journey a label becomes, with wildcards: 'Fetch*=browse'. May be repeated.",
)
def jtl(source: Path, output: Path, mapping: tuple[str, ...]) -> int:
    """Import a JMeter result file (CSV)."""
    from flashdrill.load.importing.jtl import import_jtl  # noqa: PLC0415  (a quick --help)
    from flashdrill.plan.traffic import write_traffic  # noqa: PLC0415

    model = import_jtl(source, mapping)
    write_traffic(model, output)
    click.echo(model.describe())
    click.echo(f"wrote {output}; edit its `operations` to map labels to other journeys")
    return 0
