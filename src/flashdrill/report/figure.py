"""One panel of the timeline: same width, same left edge, same time axis and crosshair as all the others.

Text, axes and grids get their colours from the page's style sheet, so that light, dark and paper differ only there:
what is set here are the colours of data, close to those of Okabe and Ito, which people
who do not see all of them can tell apart, and readable on white and on near-black.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.models.formatters import CustomJSTickFormatter
from bokeh.models.ranges import Range1d
from bokeh.models.tickers import FixedTicker
from bokeh.models.tools import CrosshairTool, HoverTool
from bokeh.plotting import figure

from flashdrill.model.faults import FaultRecord

GREEN, SKY, GREY, AMBER, RED, BLUE, PINK = (
    "#0ea47a", "#56b4e9", "#8a949e", "#e69f00", "#dd5f10", "#2a84c6", "#cc79a7",
)  # fmt: skip
PALETTE = (BLUE, RED, GREEN, AMBER, PINK, SKY, GREY)
FONT = "11px"
LEAST_LEFT_PX = 64
LETTER_PX = 6.2
MOST_LETTERS = 24
IN_WORDS = "return tick >= 1000 ? `${tick / 1000} s` : `${tick} ms`"


@dataclass(frozen=True, slots=True)
class Canvas:
    """What all panels share: the time axis, the crosshair, and what is marked on each of them."""

    axis: Range1d
    end_s: float
    crosshair: Span
    faults: tuple[FaultRecord, ...]
    stages: tuple[Mapping[str, Any], ...]
    left_px: int  # one left edge for all: the time axes line up

    @classmethod
    def of(
        cls,
        end_s: float,
        faults: Iterable[FaultRecord],
        stages: Iterable[Mapping[str, Any]],
        lane_names: Iterable[str] = (),
    ) -> Canvas:
        """A canvas from 0 to `end_s` seconds of the run, which is also as far as one can zoom out.

        `lane_names` are the longest texts that will stand beside an axis.
        """
        letters = max((len(short(name)) for name in lane_names), default=0)
        return cls(
            left_px=max(LEAST_LEFT_PX, round(letters * LETTER_PX) + 16),
            end_s=end_s,
            axis=Range1d(start=0, end=end_s, bounds=(0, end_s), min_interval=min(1.0, end_s)),
            crosshair=Span(dimension="height", line_color=GREY, line_width=1, line_dash="dashed"),
            faults=tuple(faults),
            stages=tuple(stages),
        )

    def panel(self, name: str, *, height: int, unit: str = "", **options: Any) -> Any:
        """An empty panel with the bands of the faults and the starts of the stages on it."""
        panel = figure(
            name=name,
            height=height,
            sizing_mode="stretch_width",
            x_range=self.axis,
            tools="xpan,xwheel_zoom,xbox_zoom,reset,save",
            active_drag="xbox_zoom",
            output_backend="canvas",
            background_fill_color=None,
            border_fill_color=None,
            **options,
        )
        panel.add_tools(CrosshairTool(overlay=self.crosshair))
        panel.toolbar.logo = None
        panel.toolbar.autohide = True
        panel.min_border_left = self.left_px
        panel.min_border_right = 12
        panel.yaxis.axis_label = unit
        panel.axis.axis_label_text_font_style = "normal"
        panel.axis.axis_label_text_font_size = FONT
        panel.axis.major_label_text_font_size = FONT
        panel.xgrid.grid_line_color = None
        self._mark(panel)
        return panel

    def _mark(self, panel: Any) -> None:
        for fault in self.faults:
            panel.add_layout(
                BoxAnnotation(
                    left=fault.start_s,
                    right=max(fault.end_s, fault.start_s),
                    fill_color=AMBER,
                    fill_alpha=0.14,
                    line_color=None,
                    level="underlay",
                )
            )
        for stage in self.stages:
            panel.add_layout(
                Span(
                    location=stage["start_s"],
                    dimension="height",
                    line_color=GREY,
                    line_dash="dotted",
                    line_alpha=0.6,
                )
            )


def in_time_words(panel: Any) -> None:
    """Label a logarithmic axis of milliseconds the way people say it: 10 ms, 1 s."""
    panel.yaxis.ticker = FixedTicker(ticks=[m * 10.0**k for k in range(-2, 6) for m in (1, 3)])
    panel.ygrid.ticker = panel.yaxis.ticker
    panel.yaxis.formatter = CustomJSTickFormatter(code=IN_WORDS)


def short(name: str) -> str:
    """A name that leaves room for the data, also on a telephone."""
    if len(name) <= MOST_LETTERS:
        return name
    half = MOST_LETTERS // 2
    return f"{name[:half]}…{name[1 - half :]}"


def hover(
    panel: Any, *tooltips: tuple[str, str], along: bool = True, renderers: Any = None
) -> None:
    """Show values under the pointer; `along` the time axis, or only right on a mark."""
    options: dict[str, Any] = {} if renderers is None else {"renderers": renderers}
    panel.add_tools(
        HoverTool(tooltips=list(tooltips), mode="vline" if along else "mouse", **options)
    )


def legend_above(panel: Any) -> None:
    """The legend beside the data, not on it; a click on a name hides its series."""
    legend = panel.legend[0]
    panel.add_layout(legend, "above")
    legend.orientation = "horizontal"
    legend.label_text_font_size = FONT
    legend.padding, legend.margin, legend.spacing = 0, 0, 8
    legend.glyph_width, legend.glyph_height, legend.label_height = 14, 12, 12
    legend.background_fill_color = None
    legend.border_line_color = None
    legend.click_policy = "hide"
