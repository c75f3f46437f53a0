"""Sampled metrics as the attribution needs them: counters over a stretch, gauges at a moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Protocol, TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Sample(Protocol):
    """One row of the samplers; `t_mono_ns` is CLOCK_MONOTONIC nanoseconds."""

    @property
    def t_mono_ns(self) -> int:
        """When it was read."""
        ...

    @property
    def metric(self) -> str:
        """Its name."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What it is about."""
        ...

    @property
    def value(self) -> float:
        """What was read."""
        ...


class Series:
    """Samples by metric and labels, in time order."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._points: dict[tuple[str, Labels], list[tuple[int, float]]] = {}
        for sample in samples:
            name = (sample.metric, tuple(sorted(sample.labels.items())))
            self._points.setdefault(name, []).append((sample.t_mono_ns, float(sample.value)))
        for points in self._points.values():
            points.sort()

    def label_values(self, metric: str, label: str) -> list[str]:
        """The values that this label has on this metric, sorted."""
        found = {dict(labels).get(label) for name, labels in self._points if name == metric}
        return sorted(value for value in found if value is not None)

    def increase(
        self, metric: str, span: tuple[int, int], **labels: str
    ) -> tuple[float, float] | None:
        """(growth of a counter, seconds over which it grew) between the samples nearest to the span's two times.

        A counter that falls was reset by a restart: what it shows then counts from 0. None with under two samples.
        """
        points = self.points(metric, **labels)
        times = [t for t, _ in points]
        first, last = _nearest(times, span[0]), _nearest(times, span[1])
        if first is None or last is None or first >= last:
            return None
        values = [value for _, value in points[first : last + 1]]
        grown = sum(b - a if b >= a else b for a, b in pairwise(values))
        return grown, (times[last] - times[first]) / 1e9

    def mean(self, metric: str, span: tuple[int, int], **labels: str) -> float | None:
        """The mean of a gauge's samples within the span; None without any."""
        points = self.points(metric, **labels)
        inside = [value for t, value in points if span[0] <= t <= span[1]]
        return sum(inside) / len(inside) if inside else None

    def latest(self, metric: str, t_ns: int, **labels: str) -> float | None:
        """A gauge's value at a moment, else the first one after it; None without samples."""
        points = self.points(metric, **labels)
        before = bisect_right([t for t, _ in points], t_ns)
        return points[max(0, before - 1)][1] if points else None

    def points(self, metric: str, **labels: str) -> list[tuple[int, float]]:
        """The samples (time, value) of exactly these labels."""
        return self._points.get((metric, tuple(sorted(labels.items()))), [])


def _nearest(times: list[int], t_ns: int) -> int | None:
    if not times:
        return None
    after = bisect_right(times, t_ns)
    around = [i for i in (after - 1, after) if 0 <= i < len(times)]
    return min(around, key=lambda i: abs(times[i] - t_ns))
