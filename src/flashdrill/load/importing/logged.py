"""Requests of which a log says the second only: those of one second are spread evenly over it, in the order of the log.

Twelve bytes a request while the log is read. However late a line of a second comes, it has its place in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np


class Logged:
    """Requests by label and second."""

    def __init__(self) -> None:
        self._seconds = array("I")
        self._took_ms = array("I")
        self._labels = array("I")
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seconds)

    @property
    def labels(self) -> Mapping[str, int]:
        """The labels."""
        return self._numbers

    def take(self, label: str, second: int, took_ms: int = 0) -> None:
        """One request that was logged in this second since 1970, `took_ms` after it began."""
        self._seconds.append(second)
        self._took_ms.append(took_ms)
        self._labels.append(self._numbers.setdefault(label, len(self._numbers)))

    def times_ms(self) -> dict[str, array[int]]:
        """When each request began, in milliseconds since 1970, by label."""
        seconds, took_ms, labels = (
            np.frombuffer(column, dtype=np.uint32)
            for column in (self._seconds, self._took_ms, self._labels)
        )
        order = np.argsort(seconds, kind="stable")
        _, first, counts = np.unique(seconds[order], return_index=True, return_counts=True)
        place = np.arange(len(seconds)) - np.repeat(first, counts)
        times = np.empty(len(seconds), dtype=np.float64)
        times[order] = seconds[order] * 1000.0 + place * 1000.0 / np.repeat(counts, counts)
        rounded = np.rint(times - took_ms).astype(np.int64)
        return {
            label: array("q", rounded[labels == number].tobytes())
            for label, number in self._numbers.items()
        }
