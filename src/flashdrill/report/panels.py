"""The timeline as linked Bokeh panels: one shared time axis, faults as bands, stages as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bokeh.models.annotations import BoxAnnotation, Label, Span
from bokeh.models.ranges import Range1d
from bokeh.models.sources import ColumnDataSource
from bokeh.models.tools import HoverTool
from bokeh.plotting import figure

from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import RunResult

WIDTH = 1080
OUTCOMES = (
    ("ok", "ok_per_s", "#2e7d32"),
    ("queued", "queued_per_s", "#1565c0"),
    ("refused", "refused_per_s", "#9e9e9e"),
    ("fail", "fail_per_s", "#ef6c00"),
    ("unknown", "info_per_s", "#c62828"),
)
PALETTE = ("#1565c0", "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#4e342e", "#37474f")


def panels(result: RunResult) -> dict[str, Any]:
    """The figures by name, in the order in which the page shows them."""
    line = result.timeline
    axis = Range1d(start=0, end=max(line.t_s[-1] + 1 if line.t_s else 1, result.duration_s or 1))
    drawn = {
        "rate": _rate(result, axis),
        "response": _response(result, axis),
        "outcomes": _outcomes(result, axis),
        "breakers": _steps(
            "Breakers and degradation levels", _chosen(line.series, ("breaker", "level")), axis
        ),
        "queue": _steps("Durable queue: records waiting", _chosen(line.series, ("queue",)), axis),
    }
    for panel in drawn.values():
        _mark(panel, result.faults, result.stages)
    drawn["queue"].xaxis.axis_label = "seconds since the start"
    return drawn


def _panel(title: str, axis: Range1d, unit: str, height: int = 200, **options: Any) -> Any:
    panel = figure(
        title=title,
        height=height,
        width=WIDTH,
        sizing_mode="stretch_width",
        x_range=axis,
        tools="xpan,xwheel_zoom,xbox_zoom,reset,save",
        active_drag="xbox_zoom",
        output_backend="canvas",
        **options,
    )
    panel.toolbar.logo = None
    panel.min_border_left = 72  # one left edge for all: the time axes line up
    panel.toolbar.autohide = True
    panel.yaxis.axis_label = unit
    return panel


def _rate(result: RunResult, axis: Range1d) -> Any:
    line = result.timeline
    panel = _panel("Arrivals", axis, "per second")
    source = ColumnDataSource({"t": line.t_s, "due": line.due_per_s, "sent": line.sent_per_s})
    panel.step(
        "t", "due", source=source, mode="after", color="#37474f", line_width=2, legend_label="due"
    )
    panel.step(
        "t", "sent", source=source, mode="after", color="#00acc1", line_width=1, legend_label="sent"
    )
    panel.add_tools(
        HoverTool(tooltips=[("second", "@t"), ("due", "@due"), ("sent", "@sent")], mode="vline")
    )
    return _with_legend(panel)


def _response(result: RunResult, axis: Range1d) -> Any:
    line = result.timeline
    panel = _panel("Response time (from when each request was due)", axis, "ms", y_axis_type="log")
    source = ColumnDataSource(
        {"t": line.t_s, "p50": _milliseconds(line.p50_s), "p99": _milliseconds(line.p99_s)}
    )
    panel.line("t", "p50", source=source, color="#1565c0", line_width=2, legend_label="p50")
    panel.line("t", "p99", source=source, color="#c62828", line_width=2, legend_label="p99")
    panel.add_tools(
        HoverTool(
            tooltips=[("second", "@t"), ("p50", "@p50{0.0} ms"), ("p99", "@p99{0.0} ms")],
            mode="vline",
        )
    )
    return _with_legend(panel)


def _outcomes(result: RunResult, axis: Range1d) -> Any:
    line = result.timeline
    panel = _panel("Outcomes of all operations", axis, "per second")
    names = [name for name, _, _ in OUTCOMES]
    data = {name: getattr(line, attribute) for name, attribute, _ in OUTCOMES}
    source = ColumnDataSource({"t": [t + 0.5 for t in line.t_s], **data})
    panel.vbar_stack(
        names,
        x="t",
        width=0.95,
        source=source,
        color=[color for _, _, color in OUTCOMES],
        legend_label=names,
    )
    panel.add_tools(HoverTool(tooltips=[("second", "@t"), *((n, f"@{n}") for n in names)]))
    return _with_legend(panel)


def _steps(title: str, series: Mapping[str, Sequence[tuple[float, float]]], axis: Range1d) -> Any:
    panel = _panel(title, axis, "", height=170)
    for color, (name, points) in zip(_cycle(len(series)), sorted(series.items()), strict=True):
        panel.step(
            [t for t, _ in points],
            [value for _, value in points],
            mode="after",
            color=color,
            line_width=2,
            legend_label=name,
        )
    return _with_legend(panel) if series else panel


def _mark(panel: Any, faults: Iterable[FaultRecord], stages: Iterable[Mapping[str, Any]]) -> None:
    for fault in faults:
        panel.add_layout(
            BoxAnnotation(
                left=fault.start_s,
                right=fault.end_s,
                fill_color="#ef6c00",
                fill_alpha=0.12,
                line_color=None,
            )
        )
        panel.add_layout(
            Label(
                x=fault.start_s,
                y=4,
                y_units="screen",
                text=fault.id,
                text_font_size="8pt",
                text_color="#bf5600",
            )
        )
    for stage in stages:
        panel.add_layout(
            Span(
                location=stage["start_s"],
                dimension="height",
                line_color="#90a4ae",
                line_dash="dotted",
            )
        )


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
    return [float("nan") if value is None else value * 1000 for value in values]


def _cycle(length: int) -> list[str]:
    return [PALETTE[index % len(PALETTE)] for index in range(length)]


def _with_legend(panel: Any) -> Any:
    panel.legend.location = "top_left"
    panel.legend.orientation = "horizontal"
    panel.legend.label_text_font_size = "8pt"
    panel.legend.padding = 2
    panel.legend.background_fill_alpha = 0.7
    panel.legend.click_policy = "hide"
    return panel
