"""`flashdrill import`: recorded traffic into a traffic model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from flashdrill.model.traffic import TrafficModel


@click.group(name="import")
def import_traffic() -> None:
    """Turn recorded traffic into a traffic model (traffic.yaml)."""


def _step(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Seconds, above zero."""
    from flashdrill.plan.quantities import parse_duration  # noqa: PLC0415  (a quick --help)

    if text is None:
        return None
    try:
        step_s = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not step_s:
        raise click.BadParameter("a step takes longer than nothing")
    return step_s


def _share(_: click.Context, __: click.Parameter, text: str) -> float:
    """From 0 to 1."""
    from flashdrill.plan.quantities import parse_share  # noqa: PLC0415

    try:
        return parse_share(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _writable(ctx: click.Context, _: click.Parameter, output: Path) -> Path:
    """A file that can be written in a moment, and is not the recording."""
    if not output.parent.is_dir():
        raise click.BadParameter(f"there is no folder {output.parent}")
    if output.exists() and ctx.params["source"].exists() and output.samefile(ctx.params["source"]):
        raise click.BadParameter("that is the recording itself: choose another file")
    return output


_source = click.argument("source", type=click.Path(path_type=Path, dir_okay=False), is_eager=True)
_output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    callback=_writable,
    help="The traffic model to write.",
)
_curve = click.option(
    "--curve",
    callback=_step,
    metavar="STEP",
    help="Keep how many came in each step, such as 1s, in the place of their times: to be edited.",
)
_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print what was understood as one JSON object: `flashdrill schema import`.",
)
_tolerate = click.option(
    "--tolerate",
    callback=_share,
    metavar="SHARE",
    default="0%",
    show_default=True,
    help="The share of the lines that may be damaged; they are counted and left out.",
)
_mapping = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="LABEL=JOURNEY",
    help="Which journey a label becomes, with wildcards: 'Fetch*=browse'. May be repeated.",
)


@import_traffic.command(
    epilog="""
\b
Examples:
  flashdrill import jtl results.jtl -o traffic.yaml
  flashdrill import jtl results.jtl -o traffic.yaml --map 'Fetch*=browse' --map Order=buy
"""
)
@_source
@_output
@_mapping
@_curve
@_json
def jtl(
    source: Path, output: Path, mapping: tuple[str, ...], curve: float | None, as_json: bool
) -> int:
    """Import a JMeter result file (CSV)."""
    from flashdrill.load.importing.jtl import import_jtl  # noqa: PLC0415  (a quick --help)

    return _write(import_jtl(source, mapping), output, curve, as_json=as_json)


@import_traffic.command(
    name="access-log",
    epilog="""
\b
Examples:
  flashdrill import access-log access.log -o traffic.yaml
  flashdrill import access-log access.log.gz -o traffic.yaml --depth 2 --map 'POST /orders*=order'
""",
)
@_source
@_output
@_mapping
@_curve
@_json
@click.option(
    "--depth",
    type=click.IntRange(0, 8),
    default=1,
    show_default=True,
    help="How many parts of a path make up a label: with 2, /orders/17/lines becomes /orders/*.",
)
def access_log(
    source: Path,
    output: Path,
    mapping: tuple[str, ...],
    curve: float | None,
    as_json: bool,
    depth: int,
) -> int:
    """Import a web server's access log: common, combined, nginx's or JSON lines, also gzipped."""
    from flashdrill.load.importing.access_log import import_access_log  # noqa: PLC0415

    return _write(import_access_log(source, mapping, depth=depth), output, curve, as_json=as_json)


def _write(model: TrafficModel, output: Path, curve_step_s: float | None, *, as_json: bool) -> int:
    """Write the model, and say what it is."""
    from flashdrill.cli.import_words import tell  # noqa: PLC0415
    from flashdrill.plan.arrivals import on_a_curve  # noqa: PLC0415
    from flashdrill.plan.traffic import write_traffic  # noqa: PLC0415

    if curve_step_s:
        model = on_a_curve(model, curve_step_s)
    written = write_traffic(model, output)
    tell(model, click.get_current_context().info_name or "", written, as_json=as_json)
    return 0
