"""Arrivals in a traffic model, in one of three forms.

arrivals_ms    each label's times, in the file itself: exact, for up to MOST_INLINE arrivals
arrivals_file  a Parquet file beside it with the columns `label` and `at_ms`: exact, for more
curve          how many came in each step, to be edited; they are spread evenly over the step
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flashdrill.errors import ConfigError
from flashdrill.model.traffic import Offsets, TrafficModel
from flashdrill.plan.quantities import LONGEST_RECORDING_S, format_duration
from flashdrill.plan.shapes import DURATION, FilePath, Mapped, Number
from flashdrill.plan.source import Node
from flashdrill.plan.table import Entry, Field, Table

if TYPE_CHECKING:
    import pyarrow as pa

MOST_INLINE = 100_000
MOST_STEPS = 1_000_000
LONGEST_MS = round(LONGEST_RECORDING_S * 1000)
_FORMS = ("arrivals_ms", "arrivals_file", "curve")
_LABEL, _AT = "label", "at_ms"


class Flow(list[int]):
    """Numbers that are written on few lines."""

    __slots__ = ()


class Times:
    """The shape of one label's arrivals: milliseconds since the first arrival, ascending."""

    def read(self, node: Node) -> array[int]:
        """The offsets. Raises ConfigError at the first one that is none, or goes back in time."""
        offsets = array("q", _numbers(node, "a list of milliseconds", LONGEST_MS))
        for place, (before, after) in enumerate(pairwise(offsets), 1):
            if after < before:
                entry = node.content[place]  # type: ignore[index]
                raise entry.fail(f"{after} comes after {before}: the times must ascend")
        return offsets

    def schema(self) -> dict[str, Any]:
        """An array of integers."""
        return {"type": "array", "minItems": 1, "items": Number(0, LONGEST_MS).schema()}


class Counts:
    """The shape of one label's counts, step by step."""

    def read(self, node: Node) -> tuple[int, ...]:
        """The counts. Raises ConfigError at the first one that is none."""
        return tuple(_numbers(node, "a list of counts", 1_000_000))

    def schema(self) -> dict[str, Any]:
        """An array of integers."""
        return {"type": "array", "minItems": 1, "items": Number(0, 1_000_000).schema()}


CURVE = Table(
    "a curve",
    {
        "step": Field(DURATION, "how long each step is", is_required=True),
        "counts": Field(Mapped(Counts()), "label: how many come in each step", is_required=True),
    },
)

ARRIVALS = {
    "arrivals_ms": Field(Mapped(Times()), "label: its arrivals in ms since the first"),
    "arrivals_file": Field(
        FilePath(), "a Parquet file with columns label and at_ms, in the place of `arrivals_ms`"
    ),
    "curve": Field(CURVE, "arrivals by step, in the place of `arrivals_ms`"),
}
"""The fields of a traffic model of which it has one."""


def read_arrivals(entry: Entry) -> Mapping[str, Offsets]:
    """The arrivals by label, in whatever form they are written. Raises ConfigError."""
    forms = [form for form in _FORMS if entry[form] is not None]
    if len(forms) != 1:
        found = " and ".join(forms) or "none of them"
        raise entry.node.fail(f"a traffic model has one of {', '.join(_FORMS)}; found {found}")
    if entry["curve"] is not None:
        return _of_curve(entry["curve"])
    if entry["arrivals_file"] is not None:
        return _of_file(entry["arrivals_file"])
    arrivals: Mapping[str, Offsets] = entry["arrivals_ms"]
    if not arrivals:
        raise entry.at("arrivals_ms").fail("there are no arrivals in it")
    return arrivals


def written_arrivals(model: TrafficModel, path: Path) -> dict[str, Any]:
    """What the document says of the arrivals; many of them are written beside it. Raises ConfigError."""
    if model.curve_step_s:
        return {"curve": _curve(model)}
    if model.rows <= MOST_INLINE:
        return {
            "arrivals_ms": {
                label: Flow(map(int, times)) for label, times in model.offsets_ms.items()
            }
        }
    beside = path.with_name(f"{path.stem}.arrivals.parquet")
    _write(model, beside)
    return {"arrivals_file": beside.name}


def on_a_curve(model: TrafficModel, step_s: float) -> TrafficModel:
    """The model with no more than how many came in each step. Raises ConfigError for too many steps of all labels."""
    labels = len(model.offsets_ms)
    if labels * model.duration_s / step_s > MOST_STEPS:
        enough_s = math.ceil(labels * model.duration_s / MOST_STEPS * 10) / 10
        raise ConfigError(
            f"{model.duration_s:g} s are over {MOST_STEPS} steps of {step_s:g} s for {labels} labels",
            remedy=f"take a longer --curve, such as {enough_s:g}s",
        )
    counts = {label: _counted(times, step_s * 1000) for label, times in model.offsets_ms.items()}
    offsets = {label: spread(steps, step_s * 1000) for label, steps in counts.items()}
    last_ms = max(times[-1] for times in offsets.values())
    return replace(model, offsets_ms=offsets, duration_s=last_ms / 1000, curve_step_s=step_s)


def spread(counts: Iterable[int], step_ms: float) -> array[float]:
    """The arrivals of one label in milliseconds: those of each step at even distances over it."""
    times = array("d")
    for step, count in enumerate(counts):
        times.extend((step + (place + 0.5) / count) * step_ms for place in range(count))
    return times


def _counted(times: Offsets, step_ms: float) -> list[int]:
    counts = [0] * (int(times[-1] // step_ms) + 1)
    for ms in times:
        counts[int(ms // step_ms)] += 1
    return counts


def _of_curve(curve: Entry) -> Mapping[str, Offsets]:
    step_ms = curve["step"] * 1000
    if not step_ms:
        raise curve.at("step").fail("a step takes longer than nothing")
    found = {label: spread(counts, step_ms) for label, counts in curve["counts"].items()}
    found = {label: times for label, times in found.items() if times}
    if not found:
        raise curve.at("counts").fail("nobody comes in any step")
    return found


def _of_file(path: Path) -> Mapping[str, Offsets]:
    import numpy as np  # noqa: PLC0415  (slow to import, and not needed by most models)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path, columns=[_LABEL, _AT]).cast(_schema()).combine_chunks()
        labels = table.column(_LABEL).combine_chunks().dictionary_encode()
        places = labels.indices.to_numpy()
        times_ms = table.column(_AT).combine_chunks().to_numpy()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise ConfigError(
            f"not a file of arrivals: {error}", path=path, remedy="import the recording again"
        ) from error
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(len(labels.dictionary)), side="right")
    if not len(ends):
        raise ConfigError("there are no arrivals in it", path=path)
    parts = np.split(times_ms[order], ends[:-1])
    found = dict(zip(labels.dictionary.to_pylist(), parts, strict=True))
    for label, part in found.items():
        if part[0] < 0 or (part[1:] < part[:-1]).any():
            raise ConfigError(f"the times of {label!r} must ascend from 0", path=path)
    return {label: array("q", part.tobytes()) for label, part in found.items()}


def _curve(model: TrafficModel) -> dict[str, Any]:
    step_ms = model.curve_step_s * 1000
    counts = {label: Flow(_counted(times, step_ms)) for label, times in model.offsets_ms.items()}
    return {"step": format_duration(model.curve_step_s), "counts": counts}


def _write(model: TrafficModel, path: Path) -> None:
    """The arrivals as a Parquet file, whole or not at all. Raises ConfigError."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with pq.ParquetWriter(half, _schema(), compression="zstd", use_dictionary=[_LABEL]) as file:
            for label, times in model.offsets_ms.items():
                file.write_table(_table(label, times))
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path=path) from error
    finally:
        half.unlink(missing_ok=True)


def _schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(_LABEL, pa.string()), (_AT, pa.int64())])


def _table(label: str, times: Offsets) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    labels = pa.repeat(pa.scalar(label), len(times))
    return pa.table([labels, pa.array(memoryview(times), pa.int64())], schema=_schema())


def _numbers(node: Node, what: str, high: int) -> Iterable[int]:
    if not isinstance(node.content, list) or not node.content:
        raise node.fail(f"expected {what}, found {node.described}")
    shape = Number(0, high)
    return (shape.read(entry) for entry in node.content)
