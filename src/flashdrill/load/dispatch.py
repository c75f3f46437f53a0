"""Walks the schedule and lets each customer begin when due, whatever became of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flashdrill.load.schedule import Arrival

STOP_CHECK_S = 0.25
"""The longest sleep: a stop is noticed within it."""

LEAST_S = 0.0004
"""The shortest sleep: each costs the CPU of a third of a request. Whoever is due meanwhile comes so late at most."""

BURST = 16
"""Arrivals begun without a pause when behind; then those begun get a turn."""


class Walk:
    """One pass over the schedule. `t0_ns` and `clock_ns` are CLOCK_MONOTONIC; `sleep` takes seconds."""

    def __init__(
        self, *, t0_ns: int, clock_ns: Callable[[], int], sleep: Callable[[float], object]
    ) -> None:
        self._t0_ns = t0_ns
        self._clock_ns = clock_ns
        self._sleep = sleep
        self.is_stopped = False

    def run(self, arrivals: Iterable[Arrival], begin: Callable[[Arrival, int], None]) -> None:
        """Call `begin(arrival, due_ns)` for each arrival, at its time or as soon after it as this process can."""
        behind = 0
        now_ns = self._clock_ns()
        for arrival in arrivals:
            due_ns = self._t0_ns + round(arrival.due_s * 1e9)
            if due_ns > now_ns:  # as far as is known, there is time left
                behind = 0 if self.sleep_until(due_ns) else behind + 1
                now_ns = self._clock_ns()
            else:
                behind += 1
            if behind and behind % BURST == 0:
                self._sleep(0)
            if self.is_stopped:
                return
            begin(arrival, due_ns)

    def sleep_until(self, due_ns: int) -> bool:
        """Sleep until then, or until stopped; whether there was any time to sleep."""
        had_time = False
        while not self.is_stopped and (left_ns := due_ns - self._clock_ns()) > 0:
            had_time = True
            self._sleep(min(max(left_ns / 1e9, LEAST_S), STOP_CHECK_S))
        return had_time
