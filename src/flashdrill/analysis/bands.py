"""When each fault was in force, on the clock of the operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashdrill.model.faults import FaultRecord


@dataclass(frozen=True, slots=True)
class Band:
    """A fault from when it was made until it was healed, CLOCK_MONOTONIC nanoseconds."""

    fault: str
    start_ns: int
    end_ns: int

    def meets(self, start_ns: int, end_ns: int) -> bool:
        """Whether it was in force at some time of a stretch."""
        return self.start_ns <= end_ns and start_ns <= self.end_ns


def bands(records: Sequence[FaultRecord], t0_ns: int) -> tuple[Band, ...]:
    """The bands of the faults that were made, proven or not; the others were never in force."""
    return tuple(
        Band(r.id, t0_ns + round(r.start_s * 1e9), t0_ns + round(r.end_s * 1e9))
        for r in records
        if r.was_made
    )
