"""What an import understood: `--json` prints it as one object, people get it in words (cli/import_words.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from flashdrill.model.rate_curve import RateCurve
from flashdrill.model.reading import Lines, Reading
from flashdrill.model.traffic import Sessions, TrafficModel, journey_of


class Rate(msgspec.Struct, frozen=True):
    """Arrivals a second: over the recording, and in the busiest second, which begins `peak_at_s` after the first."""

    mean_per_s: float
    peak_per_s: int
    peak_at_s: int


class LabelRow(msgspec.Struct, frozen=True):
    """A label with its share of the arrivals, and the journey that it becomes."""

    label: str
    arrivals: int
    share: float
    journey: str


class Visits(msgspec.Struct, frozen=True):
    """Visits: how many, their requests (median, 95th percentile), the median pause between two of them in seconds."""

    count: int
    median_requests: int
    p95_requests: int
    median_pause_s: float | None


class Unused(msgspec.Struct, frozen=True):
    """Lines that are no arrivals for one reason, and the numbers of the first few."""

    reason: str
    lines: int
    first_lines: list[int]


class Columns(msgspec.Struct, frozen=True):
    """The plot: the arrivals in the busiest second of each stretch of `column_s`, of all and of the busiest labels."""

    column_s: int
    all: list[int]
    labels: dict[str, list[int]]


class Imported(msgspec.Struct, frozen=True):
    """What `flashdrill import --json` prints; times are UTC, shares from 0 to 1.

    `form` and `encoding` are empty, and `lines` 0, where they are not known; `unit` is what is counted as lines.
    `damaged` lines should have been arrivals, `skipped` ones not. `notes` are sentences on what is odd in the file.
    `curve_step_s` is 0 when every arrival keeps its own time.
    """

    source: str
    kind: str
    form: str
    encoding: str
    lines: int
    unit: str
    arrivals: int
    first_at: str
    last_at: str
    duration_s: float
    rate: Rate
    labels: list[LabelRow]
    journeys: dict[str, int]
    sessions: Visits | None
    skipped: list[Unused]
    damaged: list[Unused]
    plot: Columns
    curve_step_s: float
    notes: list[str]
    warnings: list[str]
    output: list[str]


def imported(
    model: TrafficModel,
    curve: RateCurve,
    *,
    kind: str,
    warnings: Sequence[str],
    output: Sequence[str],
) -> Imported:
    """What is told of a model, which an importer of this kind made; `output` are the files that were written."""
    reading = model.reading or Reading(skipped=_counted(model.skipped))
    return Imported(
        source=model.source,
        kind=kind,
        form=reading.form,
        encoding=reading.encoding,
        lines=reading.lines,
        unit=reading.unit,
        arrivals=model.rows,
        first_at=model.first_at,
        last_at=_later(model.first_at, model.duration_s),
        duration_s=model.duration_s,
        rate=Rate(model.rows / max(model.duration_s, 1.0), curve.peak.arrivals, curve.peak.at_s),
        labels=[
            LabelRow(label, number, number / model.rows, journey_of(label, model.operations) or "")
            for label, number in model.mix.items()
        ],
        journeys=model.journeys(),
        sessions=_visits(model.sessions),
        skipped=_unused(reading.skipped),
        damaged=_unused(reading.damaged),
        plot=Columns(
            curve.stretch_s,
            list(curve.total),
            {label: list(v) for label, v in curve.labels.items()},
        ),
        curve_step_s=model.curve_step_s,
        notes=list(reading.notes),
        warnings=list(warnings),
        output=list(output),
    )


def imported_schema() -> dict[str, Any]:
    """JSON Schema of what --json prints."""
    return msgspec.json.schema(Imported)


def _counted(skipped: Mapping[str, int]) -> dict[str, Lines]:
    return {reason: Lines(number) for reason, number in skipped.items()}


def _unused(reasons: Mapping[str, Lines]) -> list[Unused]:
    return [Unused(reason, lines.count, list(lines.first)) for reason, lines in reasons.items()]


def _visits(sessions: Sessions | None) -> Visits | None:
    if sessions is None:
        return None
    return Visits(
        sessions.count, sessions.length(0.5), sessions.length(0.95), sessions.median_pause_s
    )


def _later(first_at: str, seconds: float) -> str:
    moment = datetime.fromisoformat(first_at) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
