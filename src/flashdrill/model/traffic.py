"""Recorded traffic: when each request of a recording was sent, by label, and what the labels become."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TypeAlias

from flashdrill.model.reading import Reading
from flashdrill.model.scale import scaled
from flashdrill.model.scenario import RecordedArrivals

FORMAT = "flashdrill-traffic/1"


Offsets: TypeAlias = "array[int] | array[float]"  # not subscriptable before 3.12
"""Milliseconds since the first arrival, ascending: whole ones ("q") of a recording, any ("d") of a curve."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Visits to a service: how many had how many requests, and the median pause between two requests of one.

    `median_pause_s` is known to 1 %, and None when no visit had two requests.
    """

    lengths: Mapping[int, int]
    median_pause_s: float | None = None

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.lengths.values())

    def length(self, share: float) -> int:
        """The nearest-rank percentile of the requests of a visit."""
        rank = max(1, math.ceil(share * self.count))
        for requests, number in sorted(self.lengths.items()):
            rank -= number
            if rank <= 0:
                return requests
        raise ValueError("no visits")


@dataclass(frozen=True, slots=True)
class TrafficModel:
    """One arrival for each row of a recording, at its recorded time; or those of a curve, spread over its steps.

    `offsets_ms` are the arrivals by label; `operations` says which journey of the crowd each label becomes;
    `skipped` counts lines that were no arrivals, by reason. `curve_step_s` is a curve's step, and 0 of recorded times.
    `reading` is known right after an import only.
    """

    source: str
    rows: int
    first_at: str  # UTC, ISO 8601
    duration_s: float
    offsets_ms: Mapping[str, Offsets]
    operations: Mapping[str, str]
    skipped: Mapping[str, int] = field(default_factory=dict)
    sessions: Sessions | None = None
    curve_step_s: float = 0.0
    reading: Reading | None = field(default=None, compare=False)

    @property
    def mix(self) -> dict[str, int]:
        """How many arrivals each label has, the most frequent first."""
        counts = Counter({label: len(offsets) for label, offsets in self.offsets_ms.items()})
        return dict(counts.most_common())

    def recorded(
        self,
        *,
        speed: float = 1.0,
        scale: float = 1.0,
        operations: Mapping[str, str] | None = None,
        end_s: float = math.inf,
    ) -> tuple[RecordedArrivals, ...]:
        """The arrivals by journey, `speed` times as fast and `scale` times as many.

        `operations` go before the model's own. A journey of which the scale leaves nothing has no times. None that
        the scale adds comes after `end_s` of the recording. Raises KeyError for a label that becomes nothing.
        """
        by_journey: dict[str, list[Offsets]] = {}
        for label, offsets in self.offsets_ms.items():
            journey = journey_of(label, operations or {}) or journey_of(label, self.operations)
            if journey is None:
                raise KeyError(label)
            by_journey.setdefault(journey, []).append(offsets)
        return tuple(
            RecordedArrivals(
                journey,
                tuple(
                    ms / 1000 / speed
                    for ms in scaled(list(heapq.merge(*lists)), scale, end_s * 1000)
                ),
            )
            for journey, lists in by_journey.items()
        )

    def window(self, start_s: float, end_s: float | None = None) -> TrafficModel:
        """The arrivals from `start_s` on and before `end_s`, seconds since the first; they count from `start_s`.

        Labels without any are left out; `first_at` and `skipped` stay those of the whole recording.
        """
        start_ms = round(start_s * 1000)
        end_ms = math.inf if end_s is None else round(end_s * 1000)
        kept = {
            label: array(
                offsets.typecode, (ms - start_ms for ms in offsets if start_ms <= ms < end_ms)
            )
            for label, offsets in self.offsets_ms.items()
        }
        kept = {label: offsets for label, offsets in kept.items() if offsets}
        last_ms = max((offsets[-1] for offsets in kept.values()), default=0)
        rows = sum(map(len, kept.values()))
        return replace(self, rows=rows, duration_s=last_ms / 1000, offsets_ms=kept)

    def journeys(self) -> dict[str, int]:
        """How many arrivals each journey has, the most frequent first."""
        counts: Counter[str] = Counter()
        for label, offsets in self.offsets_ms.items():
            counts[journey_of(label, self.operations) or "nothing"] += len(offsets)
        return dict(counts.most_common())


def journey_of(label: str, mapping: Mapping[str, str]) -> str | None:
    """What a label becomes: its own entry, else the first pattern (`Fetch*`) that fits, else None."""
    if label in mapping:
        return mapping[label]
    return next((j for pattern, j in mapping.items() if fnmatchcase(label, pattern)), None)


def unmapped(labels: Iterable[str], mapping: Mapping[str, str]) -> list[str]:
    """The labels that the mapping says nothing about."""
    return [label for label in labels if journey_of(label, mapping) is None]
