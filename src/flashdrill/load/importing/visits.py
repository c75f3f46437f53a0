"""Visits in a recording: requests of one visitor with no pause of half an hour between them.

The half hour is what web analytics has used since its first tools. A visitor's key is held while the visit may go on,
and is part of nothing that is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flashdrill.load.buckets import bucket, quantile_s
from flashdrill.model.traffic import Sessions

GAP_MS = 30 * 60 * 1000
MOST_OPEN = 500_000
"""Visitors at a time. With more, visits are not counted, rather than counted wrong."""
SEVERAL = 500
"""Visits of over so many requests are counted together, as that many."""


@dataclass(slots=True)
class _Visit:
    first_ms: int
    last_ms: int
    requests: int = 1

    def pause_ms(self, at_ms: int) -> int:
        """From the visit to another time, before it or after it."""
        return max(at_ms - self.last_ms, self.first_ms - at_ms, 0)


class Visits:
    """Visits as their requests come, in about the order of their times, or of those backwards."""

    def __init__(self) -> None:
        self._open: dict[str, _Visit] = {}
        self._lengths: Counter[int] = Counter()
        self._pauses: Counter[int] = Counter()
        self._is_too_many = False

    def take(self, visitor: str, at_ms: int) -> None:
        """One request of a visitor."""
        if self._is_too_many:
            return
        visit = self._open.get(visitor)
        if visit is None:
            self._begin(visitor, at_ms)
            return
        pause_ms = visit.pause_ms(at_ms)
        if pause_ms > GAP_MS:
            self._end(visit)
            self._open[visitor] = _Visit(at_ms, at_ms)
            return
        visit.requests += 1
        visit.first_ms, visit.last_ms = min(visit.first_ms, at_ms), max(visit.last_ms, at_ms)
        self._pauses[bucket(pause_ms * 1_000_000)] += 1

    def sessions(self) -> Sessions | None:
        """What they were; None without any, or when there were too many at a time to tell."""
        lengths = self._lengths.copy()
        for visit in self._open.values():
            lengths[min(visit.requests, SEVERAL)] += 1
        if self._is_too_many or not lengths:
            return None
        return Sessions(
            lengths=dict(sorted(lengths.items())), median_pause_s=quantile_s(self._pauses, 0.5)
        )

    def _begin(self, visitor: str, at_ms: int) -> None:
        if len(self._open) >= MOST_OPEN:
            self._end_those_over(at_ms)
        self._is_too_many = len(self._open) >= MOST_OPEN
        if self._is_too_many:
            self._open.clear()
        else:
            self._open[visitor] = _Visit(at_ms, at_ms)

    def _end_those_over(self, at_ms: int) -> None:
        over = [v for v, visit in self._open.items() if visit.pause_ms(at_ms) > GAP_MS]
        for visitor in over:
            self._end(self._open.pop(visitor))

    def _end(self, visit: _Visit) -> None:
        self._lengths[min(visit.requests, SEVERAL)] += 1
