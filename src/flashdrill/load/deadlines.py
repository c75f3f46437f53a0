"""Deadlines of exchanges under one timer: a timer for each would cost as much as reading its answer.

Those that have met theirs stay in the heap until they are at its top: rate × timeout entries at most.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol


class Waiting(Protocol):
    """Whoever waits; `turn` goes up with each thing that is waited for, and when it is over."""

    turn: int

    def out_of_time(self) -> None:
        """The deadline of the current turn has passed."""


class Deadlines:
    """Tells each that is still waiting for the same thing when its deadline has passed.

    `clock_ns` is CLOCK_MONOTONIC, `timer` makes a libev timer of seconds.
    """

    def __init__(self, clock_ns: Callable[[], int], timer: Callable[[float], Any]) -> None:
        self._clock_ns, self._new_timer = clock_ns, timer
        self._heap: list[tuple[int, int, Waiting, int]] = []
        self._numbers = count()
        self._timer: Any = None
        self._fires_ns = 0

    def add(self, deadline_ns: int, waiting: Waiting) -> None:
        """Until the deadline (nanoseconds of the clock) it may go on with this turn."""
        heap = self._heap
        while heap and heap[0][2].turn != heap[0][3]:
            heappop(heap)
        heappush(heap, (deadline_ns, next(self._numbers), waiting, waiting.turn))
        if self._timer is None or deadline_ns < self._fires_ns:
            self._watch(deadline_ns)

    def close(self) -> None:
        """No deadline is watched any more; harmless when repeated."""
        self._heap.clear()
        self._still()

    def _watch(self, deadline_ns: int) -> None:
        self._still()
        self._fires_ns = deadline_ns
        self._timer = self._new_timer(max(0.0005, (deadline_ns - self._clock_ns()) / 1e9))
        self._timer.start(self._sweep)

    def _still(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _sweep(self) -> None:
        self._still()
        now_ns, heap = self._clock_ns(), self._heap
        late = []
        while heap and (heap[0][0] <= now_ns or heap[0][2].turn != heap[0][3]):
            _, _, waiting, turn = heappop(heap)
            if waiting.turn == turn:
                late.append((waiting, turn))
        if heap:
            self._watch(heap[0][0])
        for waiting, turn in late:  # last: it lets others run, and they may add deadlines
            if waiting.turn == turn:
                waiting.out_of_time()
