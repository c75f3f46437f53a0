"""The chart of a climb: what was achieved of what was offered, with the knee between its bounds."""

from __future__ import annotations

from typing import Any

from bokeh.models.annotations import BoxAnnotation
from bokeh.models.ranges import Range1d
from bokeh.models.sources import ColumnDataSource
from bokeh.plotting import figure

from flashdrill.model.capacity import Knee, Step, StepState
from flashdrill.report.figure import AMBER, FONT, GREEN, GREY, RED, hover, legend_above
from flashdrill.report.wording import seconds

COLORS = {StepState.KEPT_UP: GREEN, StepState.PAST: RED, StepState.GENERATOR: GREY}
LEFT_PX = 64
MARGIN = 1.05


def knee_chart(knee: Knee | None) -> Any:
    """A figure, or None when no step was taken."""
    if knee is None or not knee.steps:
        return None
    top = MARGIN * max(step.offered_per_s for step in knee.steps)
    chart = figure(
        name="knee",
        height=260,
        sizing_mode="stretch_width",
        x_range=Range1d(start=0, end=top),
        y_range=Range1d(start=0, end=top),
        tools="save",
        output_backend="canvas",
        background_fill_color=None,
        border_fill_color=None,
    )
    _dress(chart)
    end = knee.knee_per_s if knee.knee_per_s is not None else top
    chart.line([0, end, top], [0, end, min(end, top)], color=GREY, line_width=3, line_alpha=0.55,
               legend_label="fit")  # fmt: skip
    if knee.low_per_s is not None and knee.high_per_s is not None:
        chart.add_layout(
            BoxAnnotation(left=knee.low_per_s, right=knee.high_per_s, fill_color=AMBER,
                          fill_alpha=0.18, line_color=None, level="underlay")
        )  # fmt: skip
    marks = [_mark(chart, state, [s for s in knee.steps if s.state is state]) for state in COLORS]
    hover(
        chart,
        ("step", "@stage"),
        ("offered", "@x{0.0}/s"),
        ("achieved", "@y{0.0}/s"),
        ("p99", "@p99"),
        along=False,
        renderers=[mark for mark in marks if mark is not None],
    )
    legend_above(chart)
    return chart


def _dress(chart: Any) -> None:
    chart.toolbar.logo = None
    chart.toolbar.autohide = True
    chart.min_border_left, chart.min_border_right = LEFT_PX, 12
    chart.xaxis.axis_label = "offered, arrivals a second"
    chart.yaxis.axis_label = "achieved"
    chart.axis.axis_label_text_font_style = "normal"
    chart.axis.axis_label_text_font_size = FONT
    chart.axis.major_label_text_font_size = FONT
    chart.xgrid.grid_line_color = None


def _mark(chart: Any, state: StepState, steps: list[Step]) -> Any:
    if not steps:
        return None
    source = ColumnDataSource(
        {
            "x": [step.offered_per_s for step in steps],
            "y": [step.achieved_per_s for step in steps],
            "stage": [step.stage for step in steps],
            "p99": [seconds(step.p99_s) for step in steps],
            "marker": ["diamond" if step.is_extra else "circle" for step in steps],
        }
    )
    return chart.scatter(
        "x",
        "y",
        source=source,
        marker="marker",
        size=9,
        color=COLORS[state],
        legend_label=state.value,
    )
