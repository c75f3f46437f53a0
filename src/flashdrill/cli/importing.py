"""`flashdrill import`: recorded traffic into a traffic model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flashdrill.load.importing.found import Asked
    from flashdrill.model.recorded_requests import RecordedRequests
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
    if not os.access(output.parent, os.W_OK):
        raise click.BadParameter(f"nothing may be written in the folder {output.parent}")
    if output.exists() and not output.is_file():
        raise click.BadParameter(f"{output} is no file that could be replaced")
    if output.exists() and ctx.params["source"].exists() and output.samefile(ctx.params["source"]):
        raise click.BadParameter("that is the recording itself: choose another file")
    return output


def _writable_or_none(
    ctx: click.Context, parameter: click.Parameter, output: Path | None
) -> Path | None:
    """The same, of a file that need not be written."""
    return None if output is None else _writable(ctx, parameter, output)


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
_requests = click.option(
    "--requests",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_writable_or_none,
    metavar="FILE",
    help="Also write a request for each label, such as shop.requests.yaml: a file for `requests:`.",
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


_separator = click.option(
    "--separator",
    metavar="CHARACTER",
    default="",
    help="What separates the columns; else it is found.",
)
_encoding = click.option(
    "--encoding",
    metavar="NAME",
    default="",
    help="Such as gb18030; else UTF-8, or what the file's mark says.",
)
_time_format = click.option(
    "--time-format",
    metavar="FORM",
    default="",
    help="unix, unix-ms, unix-us, unix-ns, iso, or such as '%d/%m/%Y %H:%M:%S'; else it is found.",
)
_time_zone = click.option(
    "--time-zone",
    metavar="ZONE",
    default="",
    help="Of times that name none, such as Europe/Berlin.",
)


@import_traffic.command(
    epilog="""
\b
Examples:
  flashdrill import jtl results.jtl -o traffic.yaml
  flashdrill import jtl results.jtl -o traffic.yaml --map 'Fetch*=browse' --map Order=buy
  flashdrill import jtl results.jtl.gz -o traffic.yaml --tolerate 0.1% --curve 1s
"""
)
@_source
@_output
@_mapping
@_curve
@_json
@_tolerate
@_requests
@_separator
@_encoding
@click.option(
    "--columns",
    metavar="NAMES",
    default="",
    help="Of a file without a header: timeStamp,elapsed,label,…",
)
@_time_format
@_time_zone
@click.option(
    "--transactions",
    type=click.Choice(["skip", "only", "both"]),
    default="skip",
    show_default=True,
    help="The rows of transaction controllers, which stand beside those of their samples.",
)
@click.option(
    "--sub-results", is_flag=True, help="In XML: the innermost samples, not the outermost."
)
def jtl(
    source: Path,
    output: Path,
    mapping: tuple[str, ...],
    curve: float | None,
    as_json: bool,
    tolerate: float,
    requests: Path | None,
    separator: str,
    encoding: str,
    columns: str,
    time_format: str,
    time_zone: str,
    transactions: str,
    sub_results: bool,
) -> int:
    """Import a JMeter result file: CSV with any columns, or XML; also gzipped."""
    from flashdrill.load.importing.jtl import JtlForm, import_jtl  # noqa: PLC0415  (a quick --help)
    from flashdrill.load.importing.transactions import Transactions  # noqa: PLC0415

    form = JtlForm(
        separator=_one_character(separator),
        encoding=encoding,
        columns=tuple(filter(None, columns.split(","))),
        time_format=time_format,
        time_zone=time_zone,
        transactions=Transactions(transactions),
        takes_sub_results=sub_results,
    )
    model = import_jtl(source, mapping, tolerance=tolerate, form=form)
    recorded = None
    if requests:
        model, recorded = _with_sketches(model, output, requests, mapping, {})
    return _write(model, output, curve, as_json=as_json, requests=requests, recorded=recorded)


@import_traffic.command(
    name="csv",
    epilog="""
\b
Examples:
  flashdrill import csv requests.csv -o traffic.yaml --time at --label method,route --time-zone UTC
  flashdrill import csv dashboard.csv -o traffic.yaml --count hits --period 1m --time-zone Europe/Berlin
""",
)
@_source
@_output
@_mapping
@_curve
@_json
@_tolerate
@_requests
@click.option(
    "--time",
    metavar="COLUMN[,COLUMN]",
    default="",
    help="Of the times, or date,time; else it is found.",
)
@click.option(
    "--label", "labels", metavar="COLUMN[,COLUMN]", default="", help="Of what was asked for."
)
@click.option(
    "--session", metavar="COLUMN", default="", help="Of what tells one visitor from the others."
)
@click.option(
    "--count", metavar="COLUMN", default="", help="Of how many requests a row stands for."
)
@click.option(
    "--period",
    callback=_step,
    metavar="DURATION",
    help="What a row with a count counts, from its time on.",
)
@_time_format
@_time_zone
@_separator
@_encoding
def csv_table(
    source: Path,
    output: Path,
    mapping: tuple[str, ...],
    curve: float | None,
    as_json: bool,
    tolerate: float,
    requests: Path | None,
    time: str,
    labels: str,
    session: str,
    count: str,
    period: float | None,
    time_format: str,
    time_zone: str,
    separator: str,
    encoding: str,
) -> int:
    """Import any CSV file with a column of times: requests, or how many there were in each period."""
    from flashdrill.load.importing.csv_table import CsvForm, import_csv  # noqa: PLC0415

    form = CsvForm(
        time=time,
        labels=tuple(filter(None, labels.split(","))),
        session=session,
        count=count,
        period_s=period or 0.0,
        time_format=time_format,
        time_zone=time_zone,
        separator=_one_character(separator),
        encoding=encoding,
    )
    model = import_csv(source, mapping, tolerance=tolerate, form=form)
    recorded = None
    if requests:
        model, recorded = _with_sketches(model, output, requests, mapping, {})
    return _write(model, output, curve, as_json=as_json, requests=requests, recorded=recorded)


def _one_character(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) > 1 or found in {'"', "\n", "\r"}:
        raise click.BadParameter("one character, such as ';', or tab", param_hint="--separator")
    return found


@import_traffic.command(
    name="access-log",
    epilog="""
\b
Examples:
  flashdrill import access-log access.log -o traffic.yaml
  flashdrill import access-log access.log.gz -o traffic.yaml --depth 2 --map 'POST /orders*=order'
  flashdrill import access-log access.log -o traffic.yaml --format '$msec $request_method $request_uri'
""",
)
@_source
@_output
@_mapping
@_curve
@_json
@_requests
@click.option(
    "--tolerate",
    callback=_share,
    metavar="SHARE",
    default="5%",
    show_default=True,
    help="The share of the lines that may be no requests; they are counted and left out.",
)
@click.option(
    "--depth",
    type=click.IntRange(0, 8),
    default=1,
    show_default=True,
    help="How many parts of a path make up a label: with 2, /orders/17/lines becomes /orders/*.",
)
@click.option(
    "--format",
    "log_format",
    metavar="FORMAT",
    default="",
    help="nginx's log_format or Apache's LogFormat; else it is found.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Labels to leave out: 'GET /healthz'. May be repeated.",
)
def access_log(
    source: Path,
    output: Path,
    mapping: tuple[str, ...],
    curve: float | None,
    as_json: bool,
    tolerate: float,
    requests: Path | None,
    depth: int,
    log_format: str,
    exclude: tuple[str, ...],
) -> int:
    """Import a web server's access log: common, combined, nginx's, JSON lines, or a format of yours; also gzipped."""
    from flashdrill.load.importing.access_log import LogForm, model_of_log, read_access_log  # noqa: PLC0415

    form = LogForm(depth, log_format, exclude)
    found = read_access_log(source, form)
    model = model_of_log(found, mapping, tolerate, depth)
    recorded = None
    if requests:
        model, recorded = _with_sketches(model, output, requests, mapping, found.requests())
    return _write(model, output, curve, as_json=as_json, requests=requests, recorded=recorded)


@import_traffic.command(
    epilog="""
\b
Examples:
  flashdrill import har shop.har -o traffic.yaml
  flashdrill import har shop.har -o traffic.yaml --requests shop.requests.yaml --host api.example
""",
)
@_source
@_output
@_mapping
@_curve
@_json
@_tolerate
@_requests
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Whose requests to take, instead of the busiest host's. May be repeated.",
)
@click.option(
    "--depth",
    type=click.IntRange(0, 16),
    default=8,
    show_default=True,
    help="How many parts of a path make up a label: with 2, /orders/17/lines becomes /orders/*.",
)
@click.option("--static", "keeps_static", is_flag=True, help="Take images, styles and scripts too.")
def har(
    source: Path,
    output: Path,
    mapping: tuple[str, ...],
    curve: float | None,
    as_json: bool,
    tolerate: float,
    requests: Path | None,
    hosts: tuple[str, ...],
    depth: int,
    keeps_static: bool,
) -> int:
    """Import what a browser or a proxy recorded (HAR), without cookies, credentials and answers."""
    from flashdrill.load.importing.har import HarForm, model_of_har, read_har  # noqa: PLC0415

    found = read_har(source, HarForm(hosts, depth, keeps_static))
    model = model_of_har(found.found, mapping, tolerate)
    recorded = None
    if requests:
        model, recorded = _with_requests(model, output, requests, found.requests, mapping)
    return _write(model, output, curve, as_json=as_json, requests=requests, recorded=recorded)


def _with_sketches(
    model: TrafficModel,
    output: Path,
    requests: Path,
    mapping: tuple[str, ...],
    asked: Mapping[str, Asked],
) -> tuple[TrafficModel, RecordedRequests]:
    """The same for a recording without bodies: what it does not know is for the user to fill in."""
    from flashdrill.load.importing.sketches import sketched  # noqa: PLC0415

    return _with_requests(model, output, requests, sketched(model.mix, asked), mapping)


def _with_requests(
    model: TrafficModel,
    output: Path,
    requests: Path,
    recorded: RecordedRequests,
    mapping: tuple[str, ...],
) -> tuple[TrafficModel, RecordedRequests]:
    """The model whose labels become the requests unless the user said otherwise, and these."""
    from flashdrill.load.importing.labels import choose  # noqa: PLC0415
    from flashdrill.model.reading import Reading  # noqa: PLC0415

    if requests.resolve() == output.resolve():
        raise click.BadParameter("that is the traffic model: choose another file")
    reading = model.reading or Reading()
    model = replace(
        model,
        operations=choose(model.offsets_ms, mapping, recorded.operations()),
        reading=replace(reading, notes=(*reading.notes, *recorded.told())),
    )
    return model, recorded


def _write(
    model: TrafficModel,
    output: Path,
    curve_step_s: float | None,
    *,
    as_json: bool,
    requests: Path | None = None,
    recorded: RecordedRequests | None = None,
) -> int:
    """Write the model and its requests if there are any, and say what it is. What is refused writes nothing."""
    from flashdrill.cli.import_words import tell  # noqa: PLC0415
    from flashdrill.plan.arrivals import on_a_curve  # noqa: PLC0415
    from flashdrill.plan.recorded_requests import write_requests  # noqa: PLC0415
    from flashdrill.plan.traffic import write_traffic  # noqa: PLC0415

    if curve_step_s:
        model = on_a_curve(model, curve_step_s)
    if requests and recorded:
        write_requests(recorded, requests)
    written = write_traffic(model, output)
    written = (*written, requests) if requests else written
    tell(model, click.get_current_context().info_name or "", written, as_json=as_json)
    return 0
