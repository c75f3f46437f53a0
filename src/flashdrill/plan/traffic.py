"""traffic.yaml: a recording's arrival times and what its labels become, to be read and edited by people."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from flashdrill.errors import ConfigError
from flashdrill.model.traffic import FORMAT, TrafficModel, unmapped
from flashdrill.plan.quantities import format_duration
from flashdrill.plan.shapes import DURATION, NAME, Mapped, Number, Text
from flashdrill.plan.source import Node, Scalar, read_source
from flashdrill.plan.table import Entry, Field, Table

_LONGEST_MS = 7 * 24 * 3600 * 1000
_HEAD = """\
# Recorded arrivals: one for each row of the recording, in milliseconds since the first.
# Edit `operations` to say which journey of the crowd each label becomes.
"""


class Offsets:
    """The shape of one label's arrivals: milliseconds since the first arrival, ascending."""

    def read(self, node: Node) -> tuple[int, ...]:
        """The offsets. Raises ConfigError at the first one that is none, or goes back in time."""
        if not isinstance(node.content, list) or not node.content:
            raise node.fail(f"expected a list of milliseconds, found {node.described}")
        shape = Number(0, _LONGEST_MS)
        offsets = tuple(shape.read(entry) for entry in node.content)
        for before, after, entry in zip(offsets, offsets[1:], node.content[1:], strict=False):
            if after < before:
                raise entry.fail(f"{after} comes after {before}: the times must ascend")
        return offsets

    def schema(self) -> dict[str, Any]:
        """An array of integers."""
        return {"type": "array", "minItems": 1, "items": Number(0, _LONGEST_MS).schema()}


class Moment:
    """The shape of a UTC time, such as 2018-07-23T20:09:18.104Z."""

    def read(self, node: Node) -> str:
        """The time as it was written."""
        text = node.content.text if isinstance(node.content, Scalar) else ""
        try:
            datetime.fromisoformat(text)
        except ValueError as error:
            example = "2018-07-23T20:09:18.104Z"
            raise node.fail(f"expected a time such as {example}, found {node.described}") from error
        return text

    def schema(self) -> dict[str, Any]:
        """A date-time string."""
        return {"type": "string", "format": "date-time"}


TRAFFIC = Table(
    "a traffic model",
    {
        "format": Field(Text(), f"always {FORMAT}", is_required=True),
        "source": Field(Text(), "the file it was imported from", is_required=True),
        "rows": Field(Number(1, 100_000_000), "how many arrivals there are", is_required=True),
        "first_at": Field(Moment(), "when the first one was sent (UTC)", is_required=True),
        "duration": Field(DURATION, "from the first to the last", is_required=True),
        "skipped": Field(
            Mapped(Number(0, 100_000_000)), "lines that were no arrivals, by reason", default={}
        ),
        "operations": Field(
            Mapped(Text(NAME, "the name of a journey")),
            "label, or pattern such as 'Fetch*': the journey that it becomes",
            is_required=True,
        ),
        "arrivals_ms": Field(
            Mapped(Offsets()), "label: its arrivals in ms since the first", is_required=True
        ),
    },
)


def read_traffic(path: Path) -> TrafficModel:
    """The traffic model in a file. Raises ConfigError with the line."""
    entry = TRAFFIC.read(read_source(path))
    _check(entry)
    return TrafficModel(
        source=entry["source"],
        rows=entry["rows"],
        first_at=entry["first_at"],
        duration_s=entry["duration"],
        offsets_ms=entry["arrivals_ms"],
        operations=entry["operations"],
        skipped=entry["skipped"],
    )


def _check(entry: Entry) -> None:
    """What a table cannot say: the counts agree, and every label becomes something."""
    if entry["format"] != FORMAT:
        raise entry.at("format").fail(f"expected {FORMAT}, found {entry['format']!r}")
    counted = sum(len(offsets) for offsets in entry["arrivals_ms"].values())
    if counted != entry["rows"]:
        raise entry.at("rows").fail(f"rows says {entry['rows']}, but there are {counted} arrivals")
    last_ms = max(offsets[-1] for offsets in entry["arrivals_ms"].values())
    if abs(last_ms - entry["duration"] * 1000) >= 1:
        found = format_duration(last_ms / 1000)
        raise entry.at("duration").fail(f"the last arrival is at {found}")
    missing = unmapped(entry["arrivals_ms"], entry["operations"])
    if missing:
        raise entry.at("operations").fail(
            f"no journey for the label {missing[0]!r}", remedy="add it, or the pattern '*'"
        )


def write_traffic(model: TrafficModel, path: Path) -> None:
    """Write the file, whole or not at all. Raises ConfigError when it cannot be written."""
    document = {
        "format": FORMAT,
        "source": model.source,
        "rows": model.rows,
        "first_at": model.first_at,
        "duration": format_duration(model.duration_s),
        "skipped": dict(model.skipped),
        "operations": dict(model.operations),
        "arrivals_ms": {label: _Flow(offsets) for label, offsets in model.offsets_ms.items()},
    }
    text = _HEAD + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path=path) from error
    finally:
        half.unlink(missing_ok=True)


_BREAKS = frozenset("\x85\u2028\u2029\ufeff")


class _Flow(tuple[int, ...]):
    """Numbers that are written on few lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `_Flow` in brackets; knows nothing else than the safe dumper does."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: people read this file."""
        return True

    def represent_data(self, data: Any) -> yaml.Node:
        """The node of a value."""
        if isinstance(data, _Flow):
            return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
        if isinstance(data, str) and _BREAKS & set(data):  # only quotes of this kind escape them
            return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')
        return super().represent_data(data)
