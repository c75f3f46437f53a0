"""When a shard's writes go to the file queue: the level rules.

Level 1 when the failure rate of a shard's writes stays above 3 % for 30 s, level 2 when it stays above 8 % for
the same time. Level 2 (the simple order, completed later) is computed here and is not acted upon yet: the
application treats it as level 1. Calls that a breaker refused count as failures, or the rate would freeze
when it opens. At level 1 no order is written directly: the drain's writes and the probes are the samples by
which the level is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from backend.clock import Clock
from backend.window import SlidingWindow

_SLICES = 60  # of a window; a slice is the grain of judgement
_RATE_SLICES = 10  # the rate is that of the last window_s / 6
_EXIT_CALLS = 5  # so many good samples are enough to leave: a shard at level 1 sees few


class LevelRule:
    """The level of one shard: a pure function of what was recorded, and when.

    *Stays above*: the window is cut into 60 slices. At the end of each slice the failure rate is taken over the
    last 10 slices (window_s / 6), or over as many more, up to the whole window, as it takes to see `min_calls`
    calls; with fewer calls in the whole window there is no rate, and nothing stays above it. A level is reached
    when that rate was above its threshold at every slice's end for `window_s`.
    *Hysteresis*: a level is left when the rate (here of at least 5 calls) was below half of its threshold at every
    slice's end for `hold_s`, a third of the window. Without any calls a level stays as it is.
    """

    def __init__(
        self,
        *,
        level1_rate: float = 0.03,
        level2_rate: float = 0.08,
        window_s: float = 30.0,
        min_calls: int = 20,
        exit_share: float = 0.5,
        hold_s: float | None = None,
    ) -> None:
        hold = window_s / 3 if hold_s is None else hold_s
        self._min_calls = min_calls
        self._window = SlidingWindow(window_s, _SLICES)
        self._thresholds = tuple(
            _Threshold(rate, rate * exit_share, window_s, hold)
            for rate in (level1_rate, level2_rate)
        )
        self._judged: int | None = None  # index of the last slice that was judged

    def record(self, ok: bool, now: float) -> None:
        """Count one write (or probe) of the shard that ended at `now`; refused by the breaker is not ok."""
        self._catch_up(now)
        self._window.add(not ok, now)

    def level(self, now: float) -> int:
        """0, 1 or 2 at `now` (seconds that never go back)."""
        self._catch_up(now)
        first, second = self._thresholds
        return 2 if second.is_reached else 1 if first.is_reached else 0

    def rate(self, now: float, min_calls: int | None = None) -> float | None:
        """The failure rate that is judged at `now`, or None without enough calls."""
        needed = self._min_calls if min_calls is None else min_calls
        failures, calls = self._window.last(now, slices=_RATE_SLICES, min_calls=needed)
        return failures / calls if calls and calls >= needed else None

    def _catch_up(self, now: float) -> None:
        """Judge every slice that ended since the last time."""
        current = math.floor(now / self._window.slice_s)
        if self._judged is None:
            self._judged = current - 1
        first = max(
            self._judged + 1, current - 2 * _SLICES
        )  # all slices before are empty or judged
        for index in range(first, current):
            self._judge(index)
        self._judged = max(self._judged, current - 1)

    def _judge(self, index: int) -> None:
        middle = (index + 0.5) * self._window.slice_s
        enter = self.rate(middle)
        leave = self.rate(middle, min(_EXIT_CALLS, self._min_calls))
        for threshold in self._thresholds:
            threshold.judge(enter, leave, index * self._window.slice_s, self._window.slice_s)


class _Threshold:
    """Whether a rate stayed above a threshold for long enough, and has not yet stayed below for long enough."""

    def __init__(self, enter_rate: float, exit_rate: float, window_s: float, hold_s: float) -> None:
        self.is_reached = False
        self._enter_rate = enter_rate
        self._exit_rate = exit_rate
        self._window_s = window_s
        self._hold_s = hold_s
        self._since: float | None = None

    def judge(self, enter: float | None, leave: float | None, start: float, slice_s: float) -> None:
        """Take the rates at the end of the slice that began at `start`."""
        if self.is_reached:
            counts, needed = leave is not None and leave < self._exit_rate, self._hold_s
        else:
            counts, needed = enter is not None and enter > self._enter_rate, self._window_s
        if not counts:
            self._since = None
            return
        self._since = start if self._since is None else self._since
        if start + slice_s - self._since >= needed - slice_s / 2:
            self.is_reached = not self.is_reached
            self._since = None


class DegradationController:
    """The levels of all shards by one clock."""

    def __init__(
        self,
        shards: Iterable[str],
        clock: Clock,
        *,
        on_change: Callable[[str, int], None] | None = None,
        rule: Callable[[], LevelRule] = LevelRule,
    ) -> None:
        """`on_change(shard, level)` is called when a record or a question finds a new level."""
        self._clock = clock
        self._on_change = on_change
        self._rules = {shard: rule() for shard in shards}
        self._levels = dict.fromkeys(self._rules, 0)

    def record(self, shard: str, ok: bool) -> None:
        """Count a write, a drained write or a probe of the shard; refused by its breaker is not ok."""
        self._rules[shard].record(ok, self._clock.now())
        self.level(shard)

    def level(self, shard: str) -> int:
        """0 to 2; from 1 on the shard's orders go to the file queue."""
        level = self._rules[shard].level(self._clock.now())
        if level != self._levels[shard]:
            self._levels[shard] = level
            if self._on_change is not None:
                self._on_change(shard, level)
        return level
