"""Samples of a run: in memory while it goes on, then `resources.parquet`.

One row each: t_mono_ns (CLOCK_MONOTONIC), source, metric, labels (a JSON object), value. A source that did not
answer leaves a row of the metric `gap` with the label `reason`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

GAP = "gap"

SAMPLES_SCHEMA = pa.schema(
    [
        pa.field("t_mono_ns", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("labels", pa.string()),
        pa.field("value", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `labels` say what it is about, `source` who said it."""

    metric: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    t_mono_ns: int = 0


class _Key(NamedTuple):
    source: str
    metric: str
    labels: str


class SampleTable:
    """All samples of a run, by series. Iterating gives each as a Sample, series by series in time order."""

    def __init__(self) -> None:
        self._points: dict[_Key, list[tuple[int, float]]] = {}
        self._labels: dict[str, dict[str, str]] = {}

    def __len__(self) -> int:
        return sum(len(points) for points in self._points.values())

    def __iter__(self) -> Iterator[Sample]:
        for key, points in self._points.items():
            labels = self._labels[key.labels]
            for t_mono_ns, value in points:
                yield Sample(key.metric, value, labels, key.source, t_mono_ns)

    def add(self, t_mono_ns: int, source: str, samples: Iterable[Sample]) -> None:
        """Keep what a source said at one moment; moments of a source ascend."""
        for sample in samples:
            labels = _text(sample.labels)
            self._labels.setdefault(labels, dict(sample.labels))
            key = _Key(source, sample.metric, labels)
            self._points.setdefault(key, []).append((t_mono_ns, float(sample.value)))

    def add_gap(self, t_mono_ns: int, source: str, reason: str) -> None:
        """Note that a source did not answer."""
        self.add(t_mono_ns, source, [Sample(GAP, 1.0, {"reason": reason})])

    def gaps(self) -> dict[str, list[tuple[int, str]]]:
        """When each source did not answer, and why; sources without gaps are left out."""
        found: dict[str, list[tuple[int, str]]] = {}
        for key, points in self._points.items():
            if key.metric == GAP:
                reason = self._labels[key.labels]["reason"]
                found.setdefault(key.source, []).extend((t, reason) for t, _ in points)
        return {source: sorted(gaps) for source, gaps in found.items()}

    def metrics(self) -> list[str]:
        """The names of all metrics, sorted."""
        return sorted({key.metric for key in self._points} - {GAP})

    def series(self, metric: str, **labels: str) -> list[tuple[int, float]]:
        """(t_mono_ns, value) of every series with these labels (and maybe others), together in time order."""
        return sorted(point for points in self._matching(metric, labels) for point in points)

    def newest(self, metric: str) -> Iterator[Sample]:
        """The last value of each series of a metric."""
        for key, points in self._points.items():
            if key.metric == metric:
                t_mono_ns, value = points[-1]
                yield Sample(key.metric, value, self._labels[key.labels], key.source, t_mono_ns)

    def delta(self, metric: str, t0_ns: int, t1_ns: int, **labels: str) -> float | None:
        """How much a counter grew between two moments, summed over every series with these labels.

        Interpolated between samples; before the first and after the last sample nothing is assumed to grow. A
        value that falls is a restart: the new value counts from 0, and what the old process counted after its last
        sample is lost. None when no series has two samples.
        """
        grown = [
            _at(total, t1_ns) - _at(total, t0_ns)
            for points in self._matching(metric, labels)
            if len(points) > 1 and (total := _accumulated(points))
        ]
        return sum(grown) if grown else None

    def table(self) -> pa.Table:
        """The rows in time order."""
        rows = sorted(
            (t, key.source, key.metric, key.labels, value)
            for key, points in self._points.items()
            for t, value in points
        )
        columns = list(zip(*rows, strict=True)) or [()] * len(SAMPLES_SCHEMA)
        arrays = [
            pa.array(column, type=kind.type)
            for column, kind in zip(columns, SAMPLES_SCHEMA, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=SAMPLES_SCHEMA)

    def write(self, path: Path) -> None:
        """Write `resources.parquet`."""
        pq.write_table(self.table(), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> SampleTable:
        """Read `resources.parquet`."""
        table = cls()
        for row in pq.read_table(path, schema=SAMPLES_SCHEMA).to_pylist():
            sample = Sample(row["metric"], row["value"], json.loads(row["labels"]))
            table.add(row["t_mono_ns"], row["source"], [sample])
        return table

    def _matching(
        self, metric: str, labels: Mapping[str, str]
    ) -> Iterator[list[tuple[int, float]]]:
        wanted = labels.items()
        for key, points in self._points.items():
            if key.metric == metric and wanted <= self._labels[key.labels].items():
                yield points


def _text(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"))


def _accumulated(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The counter without its resets: (time, growth since the first sample)."""
    total, found = 0.0, [(points[0][0], 0.0)]
    for (_, before), (t, after) in pairwise(points):
        total += after - before if after >= before else after
        found.append((t, total))
    return found


def _at(total: list[tuple[int, float]], t_ns: int) -> float:
    index = bisect_right(total, t_ns, key=lambda point: point[0])
    if index == 0:
        return total[0][1]
    if index == len(total):
        return total[-1][1]
    (t0, before), (t1, after) = total[index - 1], total[index]
    return before + (after - before) * (t_ns - t0) / (t1 - t0)
