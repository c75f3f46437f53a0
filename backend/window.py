"""How many calls went well and how many failed in the last seconds, in slices of equal length."""

from __future__ import annotations

import math
from collections import deque


class SlidingWindow:
    """Counts of successes and failures over the last `window_s` seconds.

    Time is cut into `slices` slices; the window holds the current one and as many before it as fit, so that it
    looks back between window_s - window_s/slices and window_s. Memory does not grow with the call rate.
    """

    def __init__(self, window_s: float, slices: int = 20) -> None:
        self.slice_s = window_s / slices
        self._slices: deque[list[int]] = deque(
            maxlen=slices
        )  # [index, failures, calls], newest last

    def add(self, is_failure: bool, now: float) -> None:
        """Count one call that ended at `now`."""
        index = math.floor(now / self.slice_s)
        if not self._slices or self._slices[-1][0] < index:
            self._slices.append([index, 0, 0])
        newest = self._slices[-1]
        newest[1] += is_failure
        newest[2] += 1

    def totals(self, now: float) -> tuple[int, int]:
        """(failures, calls) in the window that ends at `now`."""
        return self.last(now, slices=self._slices.maxlen or 1, min_calls=0)

    def last(self, now: float, *, slices: int, min_calls: int) -> tuple[int, int]:
        """(failures, calls) of the last `slices` slices, and of as many more as it takes to see `min_calls`."""
        current = math.floor(now / self.slice_s)
        oldest = current - (self._slices.maxlen or 1) + 1
        failures = calls = 0
        for index, failed, ended in reversed(self._slices):
            if index < oldest or (index <= current - slices and calls >= min_calls):
                break
            failures += failed
            calls += ended
        return failures, calls

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()
