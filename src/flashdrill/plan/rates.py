"""Rates of arrivals over a stage: constant, a ramp, a spike, a wave, points to join; each as ramps one after another.

    40/s                                             constant
    {from: 40/s, to: 160/s}                          ramp
    {base: 40/s, peak: 400/s, at: 5s, for: 2s}       spike; `rise` for its two flanks
    {mean: 100/s, swing: 50/s, period: 20s}          wave
    [{at: 0s, rate: 10/s}, {at: 5s, rate: 90/s}]     points

A wave is drawn with WAVE_STEPS ramps a period: nowhere off by more than 0.2 % of its swing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

from flashdrill.model.scenario import Ramp
from flashdrill.plan.quantities import format_duration
from flashdrill.plan.shapes import DURATION, RATE, SOME_TIME, Listing
from flashdrill.plan.source import Node
from flashdrill.plan.table import Entry, Field, Table

WAVE_STEPS = 64
MOST_PERIODS = 5_000
"""Of a wave in one stage: each is WAVE_STEPS ramps, which are held in memory."""
ROUNDING_S = 1e-9
"""By so much sums of durations may be off."""

RAMP = Table(
    "a ramp",
    {
        "from": Field(RATE, "rate at the stage's start", is_required=True),
        "to": Field(RATE, "rate at the stage's end", is_required=True),
    },
)
SPIKE = Table(
    "a spike",
    {
        "base": Field(RATE, "rate before and after", is_required=True),
        "peak": Field(RATE, "rate of the spike", is_required=True),
        "at": Field(DURATION, "when it begins to rise, since the stage's start", is_required=True),
        "for": Field(SOME_TIME, "how long it stays at its peak", is_required=True),
        "rise": Field(DURATION, "how long it takes to rise, and again to fall", default=0.0),
    },
)
WAVE = Table(
    "a wave",
    {
        "mean": Field(RATE, "rate at the stage's start, rising", is_required=True),
        "swing": Field(RATE, "how far it goes up and down from there", is_required=True),
        "period": Field(SOME_TIME, "from crest to crest", is_required=True),
    },
)
POINT = Table(
    "a point",
    {
        "at": Field(DURATION, "when, since the stage's start", is_required=True),
        "rate": Field(RATE, "the rate then", is_required=True),
    },
)
_POINTS = Listing(POINT, least=2)


class Rate(Protocol):
    """A rate that still has to learn how long its stage lasts."""

    def over(self, duration_s: float) -> tuple[Ramp, ...]:
        """Its ramps, which together last so long. Raises ConfigError when it does not fit."""


class RateShape:
    """A rate as a scenario writes it: one of the forms above."""

    def read(self, node: Node) -> Rate:
        """The rate. Raises ConfigError."""
        if isinstance(node.content, list):
            return Points(node, _POINTS.read(node))
        if not isinstance(node.content, dict):
            rate = RATE.read(node)
            return Line(rate, rate)
        if node.content.keys() & {"peak", "base"}:
            return Spike(SPIKE.read(node))
        if node.content.keys() & {"mean", "swing", "period"}:
            return Wave(WAVE.read(node))
        ramp = RAMP.read(node)
        return Line(ramp["from"], ramp["to"])

    def schema(self) -> dict[str, Any]:
        """Any of the forms."""
        tables = [table.schema() for table in (RAMP, SPIKE, WAVE)]
        return {"anyOf": [RATE.schema(), *tables, {**_POINTS.schema(), "minItems": 2}]}


class Line:
    """A constant rate, or a ramp."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._end = start, end

    def over(self, duration_s: float) -> tuple[Ramp, ...]:
        """One ramp."""
        return (Ramp(duration_s, self._start, self._end),)


class Spike:
    """Up from a base and down to it again."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def over(self, duration_s: float) -> tuple[Ramp, ...]:
        """Before, up, at the top, down, after. Raises ConfigError when it ends after the stage."""
        entry = self._entry
        base, peak, rise_s = entry["base"], entry["peak"], entry["rise"]
        after_s = duration_s - entry["at"] - entry["for"] - 2 * rise_s
        if after_s < -ROUNDING_S:
            over_s = duration_s - after_s
            raise entry.node.fail(
                f"the spike is over {format_duration(over_s)} after the stage's start, the stage after "
                f"{format_duration(duration_s)}",
                remedy="let it begin earlier or last shorter, or the stage longer",
            )
        flanks = (
            Ramp(rise_s, base, peak),
            Ramp(entry["for"], peak, peak),
            Ramp(rise_s, peak, base),
        )
        after_s = after_s if after_s > ROUNDING_S else 0.0
        return _lasting((Ramp(entry["at"], base, base), *flanks, Ramp(after_s, base, base)))


class Wave:
    """A sine that begins at its mean and rises."""

    def __init__(self, entry: Entry) -> None:
        if entry["swing"] > entry["mean"]:
            raise entry.at("swing").fail(
                "the swing is more than the mean: the rate would go below zero",
                remedy="let `swing` be `mean` at most",
            )
        self._entry = entry
        self._mean, self._swing, self._period_s = entry["mean"], entry["swing"], entry["period"]

    def over(self, duration_s: float) -> tuple[Ramp, ...]:
        """Short ramps from point to point of the sine. Raises ConfigError for more than MOST_PERIODS periods."""
        if duration_s > MOST_PERIODS * self._period_s:
            raise self._entry.at("period").fail(
                f"a stage of {format_duration(duration_s)} has more than {MOST_PERIODS:,} of them",
                remedy="let the wave be longer, or the stage shorter",
            )
        step_s = self._period_s / WAVE_STEPS
        steps = math.ceil(duration_s / step_s)
        times = [min(duration_s, n * step_s) for n in range(steps + 1)]
        return _lasting(Ramp(b - a, self._at(a), self._at(b)) for a, b in pairwise(times))

    def _at(self, time_s: float) -> float:
        turn = math.sin(2 * math.pi * time_s / self._period_s)
        rate: float = self._mean + self._swing * turn
        return max(0.0, rate)


class Points:
    """Straight lines between points; before the first and after the last the rate stays."""

    def __init__(self, node: Node, entries: tuple[Entry, ...]) -> None:
        for before, after in pairwise(entries):
            if after["at"] < before["at"]:
                raise after.at("at").fail("the points must ascend in time")
        self._node, self._entries = node, entries

    def over(self, duration_s: float) -> tuple[Ramp, ...]:
        """A ramp between any two. Raises ConfigError for a point after the stage's end."""
        for entry in self._entries:
            if entry["at"] > duration_s:
                raise entry.at("at").fail(f"the stage is over after {format_duration(duration_s)}")
        points = [(entry["at"], entry["rate"]) for entry in self._entries]
        points = [(0.0, points[0][1]), *points, (duration_s, points[-1][1])]
        return _lasting(Ramp(b[0] - a[0], a[1], b[1]) for a, b in pairwise(points))


def _lasting(ramps: Iterator[Ramp] | tuple[Ramp, ...]) -> tuple[Ramp, ...]:
    """Those that take any time."""
    return tuple(ramp for ramp in ramps if ramp.duration_s > 0)
