"""A long run's timeline with fewer points: a page of many hours still opens, and no peak is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil

from flashdrill.model.result import Timeline

MOST_POINTS = 3600
Point = tuple[float, float]


def thinned(line: Timeline, most: int = MOST_POINTS) -> tuple[Timeline, int]:
    """The timeline with at most `most` points, and how many seconds each of them stands for (1: it is unchanged).

    Rates become their means. Percentiles become those of the worst second, since a mean of percentiles means nothing.
    Of sampled series the lowest and the highest point of each stretch are kept.
    """
    width = ceil(len(line.t_s) / most)
    if width <= 1:
        return line, 1

    def each(
        values: Sequence[float | None], of: Callable[[list[float]], float]
    ) -> list[float | None]:
        parts = (values[i : i + width] for i in range(0, len(values), width))
        known = ([v for v in part if v is not None] for part in parts)
        return [of(part) if part else None for part in known]

    def mean(values: list[float]) -> list[float]:
        return [value or 0.0 for value in each(values, lambda part: sum(part) / len(part))]

    fewer = replace(
        line,
        t_s=line.t_s[::width],
        due_per_s=mean(line.due_per_s),
        sent_per_s=mean(line.sent_per_s),
        ok_per_s=mean(line.ok_per_s),
        queued_per_s=mean(line.queued_per_s),
        refused_per_s=mean(line.refused_per_s),
        fail_per_s=mean(line.fail_per_s),
        info_per_s=mean(line.info_per_s),
        p50_s=each(line.p50_s, max),
        p99_s=each(line.p99_s, max),
        series={name: _extremes(points, width) for name, points in line.series.items()},
    )
    return fewer, width


def _extremes(points: Sequence[Point], width: int) -> list[Point]:
    """The first, lowest, highest and last point of each stretch of `width` seconds, in time order."""
    kept: list[Point] = []
    for _, stretch in groupby(points, key=lambda point: point[0] // width):
        part = list(stretch)
        by_value = sorted(part, key=lambda point: point[1])
        kept += sorted({part[0], by_value[0], by_value[-1], part[-1]})
    return kept
