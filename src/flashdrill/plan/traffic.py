"""traffic.yaml: a recording's arrival times and what its labels become, to be read and edited by people."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from flashdrill.errors import ConfigError
from flashdrill.model.traffic import FORMAT, Sessions, TrafficModel, unmapped
from flashdrill.plan.arrivals import ARRIVALS, Flow, read_arrivals, written_arrivals
from flashdrill.plan.quantities import format_duration
from flashdrill.plan.shapes import DURATION, NAME, RECORDED, Mapped, Number, Text
from flashdrill.plan.source import Node, Scalar, read_source
from flashdrill.plan.table import Entry, Field, Table

_MOST = 1_000_000_000
_HEAD = "# {what}\n# Edit `operations` to say which journey of the crowd each label becomes.\n"
_EXACT = "Recorded arrivals: one for each row of the recording, in milliseconds since the first."
_CURVE = "A rate curve: edit how many come in each step; they are spread evenly over it."


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


SESSIONS = Table(
    "the sessions",
    {
        "requests": Field(
            Mapped(Number(1, _MOST), r"[1-9]\d{0,5}", "a number of requests"),
            "number of requests: how many visits had so many",
            is_required=True,
        ),
        "pause": Field(DURATION, "the median between two requests of one visit"),
    },
)

TRAFFIC = Table(
    "a traffic model",
    {
        "format": Field(Text(), f"always {FORMAT}", is_required=True),
        "source": Field(Text(), "the file it was imported from", is_required=True),
        "rows": Field(Number(1, _MOST), "how many arrivals there are", is_required=True),
        "first_at": Field(Moment(), "when the first one was sent (UTC)", is_required=True),
        "duration": Field(RECORDED, "from the first to the last", is_required=True),
        "skipped": Field(
            Mapped(Number(0, _MOST)), "lines that were no arrivals, by reason", default={}
        ),
        "operations": Field(
            Mapped(Text(NAME, "the name of a journey")),
            "label, or pattern such as 'Fetch*': the journey that it becomes",
            is_required=True,
        ),
        "mix": Field(Mapped(Number(1, _MOST)), "label: how many arrivals it has"),
        "sessions": Field(SESSIONS, "visits, where the source tells one visitor from the others"),
        **ARRIVALS,
    },
)


def read_traffic(path: Path) -> TrafficModel:
    """The traffic model in a file. Raises ConfigError with the line."""
    entry = TRAFFIC.read(read_source(path))
    if entry["format"] != FORMAT:
        raise entry.at("format").fail(f"expected {FORMAT}, found {entry['format']!r}")
    arrivals = read_arrivals(entry)
    curve = entry["curve"]
    model = TrafficModel(
        source=entry["source"],
        rows=sum(map(len, arrivals.values())),
        first_at=entry["first_at"],
        duration_s=max(offsets[-1] for offsets in arrivals.values()) / 1000,
        offsets_ms=arrivals,
        operations=entry["operations"],
        skipped=entry["skipped"],
        sessions=_sessions(entry["sessions"]),
        curve_step_s=curve["step"] if curve else 0.0,
    )
    _check(entry, model)
    return model


def _check(entry: Entry, model: TrafficModel) -> None:
    """What a table cannot say: every label becomes something; and the counts agree, unless a curve was edited."""
    missing = unmapped(model.offsets_ms, model.operations)
    if missing:
        raise entry.at("operations").fail(
            f"no journey for the label {missing[0]!r}", remedy="add it, or the pattern '*'"
        )
    if model.curve_step_s:
        return
    if model.rows != entry["rows"]:
        raise entry.at("rows").fail(
            f"rows says {entry['rows']}, but there are {model.rows} arrivals"
        )
    if abs(model.duration_s - entry["duration"]) >= 0.001:
        found = format_duration(model.duration_s)
        raise entry.at("duration").fail(f"the last arrival is at {found}")
    if entry["mix"] is not None and entry["mix"] != model.mix:
        raise entry.at("mix").fail(_difference(entry["mix"], model.mix))


def _difference(written: dict[str, int], found: dict[str, int]) -> str:
    labels = {**written, **found}
    label = next(label for label in labels if written.get(label, 0) != found.get(label, 0))
    return f"mix says {written.get(label, 0)} of {label!r}, but there are {found.get(label, 0)}"


def _sessions(entry: Entry | None) -> Sessions | None:
    if entry is None:
        return None
    lengths = {int(requests): number for requests, number in entry["requests"].items()}
    return Sessions(lengths, entry["pause"])


def write_traffic(model: TrafficModel, path: Path) -> tuple[Path, ...]:
    """Write the file, whole or not at all, and many arrivals beside it; the files that there are then.

    Raises ConfigError when that cannot be.
    """
    document: dict[str, Any] = {
        "format": FORMAT,
        "source": model.source,
        "rows": model.rows,
        "first_at": model.first_at,
        "duration": format_duration(model.duration_s),
        "skipped": dict(model.skipped),
        "operations": dict(model.operations),
        "mix": model.mix,
        **_written_sessions(model.sessions),
        **written_arrivals(model, path),
    }
    head = _HEAD.format(what=_CURVE if model.curve_step_s else _EXACT)
    text = head + yaml.dump(
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
    beside = document.get("arrivals_file")
    return (path, path.with_name(beside)) if beside else (path,)


def _written_sessions(sessions: Sessions | None) -> dict[str, Any]:
    if sessions is None:
        return {}
    pause_s = sessions.median_pause_s
    pause = {} if pause_s is None else {"pause": format_duration(round(pause_s, 3))}
    return {"sessions": {"requests": _FlowMapping(sessions.lengths), **pause}}


_BREAKS = frozenset("\x85\u2028\u2029\ufeff")


class _FlowMapping(dict[int, int]):
    """Numbers by number that are written on few lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `Flow` in brackets; knows nothing else than the safe dumper does."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: people read this file."""
        return True

    def represent_data(self, data: Any) -> yaml.Node:
        """The node of a value."""
        if isinstance(data, Flow):
            return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
        if isinstance(data, _FlowMapping):
            return self.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
        if isinstance(data, str) and _BREAKS & set(data):  # only quotes of this kind escape them
            return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')
        return super().represent_data(data)
