"""What an import understood, in words and a plot, or as one JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import msgspec
from rich.text import Text

from flashdrill.cli.console import open_console
from flashdrill.cli.imported import Imported, LabelRow, Unused, imported
from flashdrill.cli.rate_plot import bars_for, columns_of, fitted, rate_plot, shown
from flashdrill.model.rate_curve import Busiest, RateCurve, busiest_labels, rate_curve
from flashdrill.model.traffic import TrafficModel
from flashdrill.rehearsal.journals import STATE
from flashdrill.rehearsal.last_calibration import doubt_of, last
from flashdrill.report.wording import count, seconds, share, span

MOST_LABELS = 20
MANY_LABELS = 500
HEAD = 11
JSON_COLUMNS = 100
WIDEST = 120
"""Columns of a page that nobody's terminal limits."""
Line = tuple[str, str]
"""A line and its style."""


def tell(model: TrafficModel, kind: str, written: Sequence[Path], *, as_json: bool) -> None:
    """Print what an importer of this kind made of a recording, and which files it wrote."""
    console = open_console()
    width = min(console.width, WIDEST)
    names = map(shown, busiest_labels(model.offsets_ms))
    columns = JSON_COLUMNS if as_json else columns_of(width, list(names))
    curve = rate_curve(model.offsets_ms, columns)
    found = imported(
        model,
        curve,
        kind=kind,
        warnings=list(doubts(model, curve.peak)),
        output=list(map(str, written)),
    )
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for text, style in words(found, curve, width=width, bars=bars_for(console.encoding)):
        console.print(Text(text, style), soft_wrap=True)
    for line in _written(found.output):
        console.print(line, soft_wrap=True)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)


def doubts(model: TrafficModel, peak: Busiest) -> Iterator[str]:
    """What is allowed in a traffic model, and yet is likely to be a mistake or to fail."""
    if len(model.offsets_ms) > MANY_LABELS:
        yield (
            f"{count(len(model.offsets_ms))} different labels: if there are ids in them, let the recording name alike "
            "requests alike; --map 'GET /product*=browse' gives many labels one journey"
        )
    if words := doubt_of(peak.arrivals, 1, last(STATE)):
        yield words


def summed_up(model: TrafficModel, peak: Busiest) -> str:
    """A traffic model in one line."""
    return (
        f"{count(model.rows)} arrivals in {_length(model.duration_s)}, {count(peak.arrivals)}/s in the busiest "
        f"second; {_journeys(model.journeys())}"
    )


def words(found: Imported, curve: RateCurve, *, width: int, bars: str) -> Iterator[Line]:
    """The lines, on a page of this width; `curve` is what is plotted."""
    known = filter(None, (found.kind, found.form, found.encoding, _lines(found)))
    yield f"{shown(found.source)}: {', '.join(known)}", "bold"
    yield _fact("arrivals", f"{count(found.arrivals)} in {_length(found.duration_s)}")
    yield _fact("", f"from {found.first_at} to {found.last_at} (UTC)")
    rate = found.rate
    yield _fact(
        "rate",
        f"{_per_s(rate.mean_per_s)}/s on average, {count(rate.peak_per_s)}/s in the busiest second, "
        f"{span(rate.peak_at_s)} after the first",
    )
    yield from _sessions(found)
    yield from _reasons("skipped", found.skipped, "")
    yield from _reasons("damaged", found.damaged, "yellow")
    yield from (_fact("note", shown(note)) for note in found.notes)
    yield from _labels(found, width)
    yield "", ""
    for number, line in enumerate(rate_plot(curve, bars)):
        yield f"  {line}", "dim" if number < 2 else "cyan"
    yield "", ""


def _written(output: Sequence[str]) -> Iterator[str]:
    model, *beside = output
    yield f"wrote {model}; edit its `operations` to map labels to other journeys"
    yield from (f"wrote {path}, which belongs to it" for path in beside)


def _fact(name: str, text: str) -> Line:
    return f"  {name:<{HEAD}}{text}", ""


def _per_s(rate: float) -> str:
    return count(rate) if rate >= 1000 else f"{rate:.3g}"


def _lines(found: Imported) -> str:
    unit = found.unit.removesuffix("s") if found.lines == 1 else found.unit
    return f"{count(found.lines)} {unit}" if found.lines else ""


def _length(duration_s: float) -> str:
    return f"{count(duration_s)} s" if duration_s >= 100 else seconds(duration_s)


def _sessions(found: Imported) -> Iterator[Line]:
    visits = found.sessions
    if visits is None:
        return
    pause = ""
    if visits.median_pause_s is not None:
        apart = seconds(visits.median_pause_s) if visits.median_pause_s >= 0.001 else "no second"
        pause = f"; {apart} between two of them (median)"
    yield _fact(
        "sessions",
        f"{count(visits.count)}; requests of one: {count(visits.median_requests)} (median), "
        f"{count(visits.p95_requests)} (p95){pause}",
    )


def _reasons(head: str, reasons: Iterable[Unused], style: str) -> Iterator[Line]:
    for reason in reasons:
        first = ", ".join(map(str, reason.first_lines))
        more = ", ..." if first and reason.lines > len(reason.first_lines) else ""
        where = f" (line {first}{more})" if first else ""
        yield f"  {head:<{HEAD}}{count(reason.lines)}: {shown(reason.reason)}{where}", style
        head = ""


def _labels(found: Imported, width: int) -> Iterator[Line]:
    head = "labels"
    widest = max((len(count(row.arrivals)) for row in found.labels), default=0)
    for row in found.labels[:MOST_LABELS]:
        yield fitted(_fact(head, _label(row, widest))[0], width), ""
        head = ""
    rest = found.labels[MOST_LABELS:]
    if rest:
        number = sum(row.arrivals for row in rest)
        yield _fact("", f"and {len(rest)} more with {count(number)} arrivals: --json has them all")
    yield _fact("journeys", _journeys(found.journeys))


def _journeys(arrivals: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in arrivals.items())


def _label(row: LabelRow, widest: int) -> str:
    return (
        f"{count(row.arrivals):>{widest}} {share(row.share):>9}  {row.journey:<8} <- "
        f"{shown(row.label)}"
    )
