"""The timeline as linked Bokeh panels: one time axis and one crosshair for all, faults as bands, stages as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models.sources import ColumnDataSource

from flashdrill.model.result import RunResult, Timeline
from flashdrill.report.figure import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    PALETTE,
    RED,
    SKY,
    Canvas,
    hover,
    in_time_words,
    legend_above,
)
from flashdrill.report.lanes import Bar, lanes, of_stages_and_faults, of_states
from flashdrill.report.thinning import thinned

OUTCOMES = (
    ("ok", "ok_per_s", GREEN),
    ("queued", "queued_per_s", SKY),
    ("refused", "refused_per_s", GREY),
    ("failed", "fail_per_s", AMBER),
    ("unknown", "info_per_s", RED),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure under a heading; without a figure the note says why there is nothing to see."""

    title: str
    note: str
    figure: Any = None


def panels(result: RunResult) -> dict[str, Panel]:
    """The panels by name, in the order in which the page shows them. Nothing when no second was recorded."""
    line, width = thinned(result.timeline)
    if not line.t_s:
        return {}
    end_s = max(line.t_s[-1] + width, result.duration_s)
    timetable = of_stages_and_faults(result.stages, result.faults)
    states = of_states(_chosen(line.series, ("breaker", "level")), end_s)
    names = [bar.lane for bar in (*timetable, *states)]
    canvas = Canvas.of(end_s, result.faults, result.stages, names)
    drawn = {
        "timetable": _timetable(timetable, canvas),
        "rate": _rate(line, canvas, width),
        "response": _response(line, canvas),
        "outcomes": _outcomes(line, canvas, width),
        "states": _states(line, states, canvas),
        "queue": _queue(line, canvas),
        "cpu": _cpu(line, canvas),
        "lateness": _lateness(result, line, canvas),
    }
    figures = [panel.figure for panel in drawn.values() if panel.figure is not None]
    figures[-1].xaxis.axis_label = "seconds since the start"
    return drawn


def _timetable(bars: Sequence[Bar], canvas: Canvas) -> Panel:
    if not bars:
        return Panel("Stages and faults", "There were none.")
    is_hatched = any(bar.hatch for bar in bars)
    note = "Hatched: a fault whose effect was not observed." if is_hatched else ""
    return Panel("Stages and faults", note, lanes(canvas, "timetable", bars))


def _rate(line: Timeline, canvas: Canvas, width: int) -> Panel:
    panel = canvas.panel("rate", height=170, unit="per second")
    panel.y_range.start = 0
    # A step lasts until the next point: the last second needs one more to be seen.
    source = ColumnDataSource(
        {
            "t": [*line.t_s, line.t_s[-1] + width],
            "due": [*line.due_per_s, line.due_per_s[-1]],
            "sent": [*line.sent_per_s, line.sent_per_s[-1]],
        }
    )
    due = panel.step(
        "t",
        "due",
        source=source,
        mode="after",
        color=GREY,
        line_width=4,
        line_alpha=0.55,
        legend_label="due",
    )
    panel.step(
        "t", "sent", source=source, mode="after", color=BLUE, line_width=1.5, legend_label="sent"
    )
    hover(panel, ("second", "@t"), ("due", "@due"), ("sent", "@sent"), renderers=[due])
    legend_above(panel)
    note = "Operations that were due, and that left. A thin line apart from the thick one is a late generator."
    if width > 1:
        note += f" Each point stands for {width} s: rates are means, percentiles those of the worst second."
    return Panel("Arrivals", note, panel)


def _response(line: Timeline, canvas: Canvas) -> Panel:
    panel = canvas.panel("response", height=210, y_axis_type="log")
    in_time_words(panel)
    source = ColumnDataSource(
        {
            "t": [t + 0.5 for t in line.t_s],
            "second": line.t_s,
            "p50": _milliseconds(line.p50_s),
            "p99": _milliseconds(line.p99_s),
        }
    )
    marks = len(line.t_s) < 60
    for name, color in (("p50", BLUE), ("p99", RED)):
        drawn = panel.line("t", name, source=source, color=color, line_width=2, legend_label=name)
        if marks:
            panel.scatter("t", name, source=source, color=color, size=4, legend_label=name)
    hover(
        panel,
        ("second", "@second"),
        ("p50", "@p50{0.0} ms"),
        ("p99", "@p99{0.0} ms"),
        renderers=[drawn],
    )
    legend_above(panel)
    note = "From when each operation was due until it ended, by the second in which it was due."
    return Panel("Response time", note, panel)


def _outcomes(line: Timeline, canvas: Canvas, width: int) -> Panel:
    panel = canvas.panel("outcomes", height=190, unit="per second")
    panel.y_range.start = 0
    met = [(n, attribute, c) for n, attribute, c in OUTCOMES if any(getattr(line, attribute))]
    shown = met or list(OUTCOMES[:1])
    names = [name for name, _, _ in shown]
    data = {name: getattr(line, attribute) for name, attribute, _ in shown}
    source = ColumnDataSource({"t": [t + width / 2 for t in line.t_s], "second": line.t_s, **data})
    stacks = panel.vbar_stack(
        names,
        x="t",
        width=0.98 * width,
        line_color=None,
        source=source,
        color=[c for _, _, c in shown],
        legend_label=names,
    )
    hover(panel, ("second", "@second"), *((n, f"@{{{n}}}") for n in names), renderers=stacks[:1])
    legend_above(panel)
    never = [name for name, _, _ in OUTCOMES if name not in names]
    note = "How operations ended, by the second in which they were due."
    if not met:
        note = "Nothing was due."
    elif never:
        note += f" None were {_listed(never)}."
    return Panel("Outcomes", note, panel)


def _states(line: Timeline, bars: Sequence[Bar], canvas: Canvas) -> Panel:
    title = "Circuit breakers and degradation levels"
    if not line.has_service_events:
        return Panel(title, "Not known: the service told nothing of them.")
    if not bars:
        return Panel(title, "No breaker opened and no level was degraded.")
    return Panel(title, "Only those that ever left normal.", lanes(canvas, "states", bars))


def _queue(line: Timeline, canvas: Canvas) -> Panel:
    title = "Durable queue"
    if not any(name.startswith("queue ") for name in line.series):
        return Panel(title, "It was not sampled.")
    series = _chosen(line.series, ("queue",))
    if not series:
        return Panel(title, "No sample saw an order waiting in the queue.")
    panel = canvas.panel("queue", height=150, unit="orders")
    panel.y_range.start = 0
    _lines(panel, {name.partition(" ")[2]: points for name, points in series.items()})
    return Panel(title, "Orders that were acknowledged and wait to be written.", panel)


def _cpu(line: Timeline, canvas: Canvas) -> Panel:
    title = "CPU"
    series = {name: points for name, points in line.series.items() if name.startswith("cpu ")}
    if not series:
        return Panel(title, "It was not sampled.")
    panel = canvas.panel("cpu", height=150, unit="%")
    panel.y_range.start = 0
    percent = {n.partition(" ")[2]: [(t, v * 100) for t, v in p] for n, p in series.items()}
    _lines(panel, percent)
    note = "The host's as a share of all its cores; the service's and the generator's as shares of one core."
    return Panel(title, note, panel)


def _lateness(result: RunResult, line: Timeline, canvas: Canvas) -> Panel:
    title = "Lateness of the generator"
    points = [(t, v * 1000) for t, v in line.series.get("lateness generator", ())]
    if not points:
        return Panel(title, "It was not recorded.")
    panel = canvas.panel("lateness", height=150, y_axis_type="log")
    in_time_words(panel)
    _lines(panel, {"p99 of each second": [(t, max(v, 0.01)) for t, v in points]})
    limits = {v.stage: v.lateness_limit_s * 1000 for v in result.validity}
    spans = [
        (s["start_s"], s["start_s"] + s["duration_s"], limits[s["name"]])
        for s in result.stages
        if s["name"] in limits
    ]
    if spans:
        starts, ends, heights = zip(*spans, strict=True)
        panel.segment(
            x0=starts,
            x1=ends,
            y0=heights,
            y1=heights,
            color=RED,
            line_dash="dashed",
            line_width=1.5,
            legend_label="limit",
        )
    note = "From when an operation was due until it left. A stage whose p99 is over the limit is invalid."
    return Panel(title, note, panel)


def _lines(panel: Any, series: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for index, (name, points) in enumerate(sorted(series.items())):
        source = ColumnDataSource({"t": [t for t, _ in points], "value": [v for _, v in points]})
        color = PALETTE[index % len(PALETTE)]
        drawn = panel.line(
            "t", "value", source=source, color=color, line_width=2, legend_label=name
        )
        hover(panel, (name, "@value{0.0}"), ("at", "@t{0.0} s"), renderers=[drawn])
    legend_above(panel)


def _chosen(
    series: Mapping[str, Sequence[tuple[float, float]]], prefixes: tuple[str, ...]
) -> dict[str, Sequence[tuple[float, float]]]:
    """The series of these kinds that ever leave zero: eight flat lines would hide the one that matters."""
    return {
        name: points
        for name, points in series.items()
        if name.split()[0] in prefixes and any(value for _, value in points)
    }


def _milliseconds(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else max(value * 1000, 0.01) for value in values]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
