"""Lanes: one row for each stage, fault, breaker or level, with a bar for as long as a state lasted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bokeh.models.sources import ColumnDataSource

from flashdrill.model.faults import FaultRecord
from flashdrill.report.figure import AMBER, BLUE, LETTER_PX, RED, SKY, Canvas, hover, short
from flashdrill.report.wording import seconds

ROW_PX = 24
AXIS_PX = 34
NOMINAL_PX = 1000
"""About how wide the time axis is on a screen."""

STAGES = "stages"
TEXT = {"text_baseline": "middle", "text_font_size": "11px"}

BREAKER_STATES = {1.0: ("half-open", AMBER), 2.0: ("open", RED)}
LEVEL_STATES = {1.0: ("level 1: queued", SKY), 2.0: ("level 2: simple orders", BLUE)}


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of one lane (`""`: that of the stages); `text` is written on it, `hint` is under the pointer."""

    lane: str
    start_s: float
    end_s: float
    color: str
    text: str
    hint: str
    hatch: str = ""


def lanes(canvas: Canvas, name: str, bars: Sequence[Bar]) -> Any:
    """A panel with one row for each lane, the first on top."""
    rows = _labels(dict.fromkeys(bar.lane for bar in bars))
    panel = canvas.panel(
        name, height=AXIS_PX + ROW_PX * len(rows), y_range=list(rows.values())[::-1]
    )
    source = ColumnDataSource(
        {
            "lane": [rows[bar.lane] for bar in bars],
            "left": [bar.start_s for bar in bars],
            "right": [bar.end_s for bar in bars],
            "color": [bar.color for bar in bars],
            "hatch": [bar.hatch or " " for bar in bars],
            "hint": [bar.hint for bar in bars],
        }
    )
    drawn = panel.hbar(
        y="lane",
        left="left",
        right="right",
        height=0.74,
        color="color",
        fill_alpha=0.85,
        hatch_pattern="hatch",
        hatch_color="#ffffff",
        hatch_alpha=0.6,
        source=source,
    )
    _texts(panel, bars, rows, canvas.end_s)
    # On a narrow screen the page shows these in the place of the axis, which would take a third of it.
    names = list(rows.values())
    panel.text(x=0, y=names, text=names, x_offset=3, name="in-lanes", visible=False, **TEXT)
    panel.ygrid.grid_line_color = None
    panel.yaxis.major_tick_line_color = None
    hover(panel, ("", "@hint"), along=False, renderers=[drawn])
    return panel


def _labels(lanes_by_key: Iterable[str]) -> dict[str, str]:
    """What stands beside each lane, by its key: short, and never the same for two."""
    found: dict[str, str] = {}
    for key in lanes_by_key:
        label, n = short(key or STAGES), 1
        while label in found.values():
            n += 1
            label = f"{short(key or STAGES)} {n}"
        found[key] = label
    return found


def _texts(panel: Any, bars: Sequence[Bar], rows: Mapping[str, str], end_s: float) -> None:
    """Texts stand on their bars; where a bar is too short beside it, on the side that has room."""
    px_per_s = NOMINAL_PX / end_s
    places: dict[str, list[tuple[float, Bar]]] = {"on": [], "after": [], "before": []}
    for bar in bars:
        width_px = len(bar.text) * LETTER_PX + 8
        if (bar.end_s - bar.start_s) * px_per_s >= width_px:
            places["on"].append((bar.start_s, bar))
        elif not bar.lane:
            continue  # beside a stage is the next one
        elif (end_s - bar.end_s) * px_per_s >= width_px:
            places["after"].append((bar.end_s, bar))
        else:
            places["before"].append((bar.start_s, bar))
    for place, held in places.items():
        panel.text(
            x=[x for x, _ in held],
            y=[rows[bar.lane] for _, bar in held],
            text=[bar.text for _, bar in held],
            x_offset=-5 if place == "before" else 5,
            text_align="right" if place == "before" else "left",
            text_color="#10151a",
            name=f"{place}-bars",
            **TEXT,
        )


def of_stages_and_faults(
    stages: Iterable[Mapping[str, Any]], faults: Iterable[FaultRecord]
) -> list[Bar]:
    """The timetable: when each stage and each fault was. A fault whose effect was not seen is hatched."""
    bars = [_stage(stage, shade) for stage, shade in zip(stages, _shades(), strict=False)]
    return bars + [_fault(fault) for fault in faults if fault.was_due]


def _stage(stage: Mapping[str, Any], shade: str) -> Bar:
    start_s, end_s = stage["start_s"], stage["start_s"] + stage["duration_s"]
    hint = f"stage {stage['name']}: {start_s:g} s to {end_s:g} s"
    return Bar("", start_s, end_s, shade, stage["name"], hint)


def _fault(fault: FaultRecord) -> Bar:
    seen = "" if fault.effect_observed else ", its effect was not observed"
    hint = (
        f"{fault.id}: {fault.kind} on {fault.target}, {fault.start_s:.1f} s to {fault.end_s:.1f} s"
        f"{seen}; detected after {seconds(fault.detect_s)}, recovered after {seconds(fault.recover_s)}"
    )
    end_s = max(fault.end_s, fault.start_s)
    what = f"{fault.kind} on {fault.target}"
    return Bar(fault.id, fault.start_s, end_s, AMBER, what, hint, "" if not seen else "/")


def _shades() -> Iterable[str]:
    while True:
        yield "#b9c4cf"
        yield "#9fadba"


def of_states(series: Mapping[str, Sequence[tuple[float, float]]], end_s: float) -> list[Bar]:
    """The stretches in which a breaker was not closed or a level not normal; lanes that never were are left out."""
    bars: list[Bar] = []
    for name in sorted(series, key=lambda n: n.split()[::-1]):
        kind, _, target = name.partition(" ")
        states = {"breaker": BREAKER_STATES, "level": LEVEL_STATES}.get(kind, {})
        points = [*series[name], (end_s, 0.0)]
        for (start_s, value), (stop_s, _) in pairwise(points):
            if value in states and stop_s > start_s:
                word, color = states[value]
                hint = f"{kind} of {target} {word}: {start_s:.1f} s to {stop_s:.1f} s"
                bars.append(Bar(f"{target} {kind}", start_s, stop_s, color, "", hint))
    return bars


STATE_COLORS = [
    *BREAKER_STATES.values(),
    *LEVEL_STATES.values(),
]
"""(word, colour) of every state, for the page's key."""
