"""One clock for every timer and window of the service.

Nominal seconds are what a setting says (30 s of degradation, 15 minutes of a hold). With `time_scale` 10 they
pass ten times as fast as real ones, so that a short rehearsal sees them work. Deadlines of I/O are real.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _wall() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Nominal time that never steps back, and the real UTC time."""

    def __init__(
        self,
        time_scale: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = _wall,
    ) -> None:
        if not time_scale > 0:
            raise ValueError(f"time_scale must be above 0, not {time_scale}")
        self.time_scale = time_scale
        self._monotonic = monotonic
        self._wall = wall

    def now(self) -> float:
        """Nominal seconds since some fixed moment."""
        return self._monotonic() * self.time_scale

    def utcnow(self) -> datetime:
        """The real time in UTC; it may step when the machine's clock is set."""
        return self._wall()

    def real_s(self, nominal_s: float) -> float:
        """How many real seconds so many nominal ones last."""
        return nominal_s / self.time_scale

    async def sleep(self, nominal_s: float) -> None:
        """Let so many nominal seconds pass."""
        await asyncio.sleep(self.real_s(nominal_s))


class ManualClock(Clock):
    """A clock that stands still until a test moves it; sleepers wake in the order of their times."""

    def __init__(self, start_s: float = 0.0, *, utc: datetime | None = None) -> None:
        super().__init__()
        self._now_s = start_s
        self._offset = (utc or datetime(2026, 1, 27, tzinfo=UTC)) - timedelta(seconds=start_s)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Nominal seconds, as far as they were advanced."""
        return self._now_s

    def utcnow(self) -> datetime:
        """The start's UTC time plus what was advanced."""
        return self._offset + timedelta(seconds=self._now_s)

    def advance(self, nominal_s: float) -> None:
        """Move on and wake who has slept long enough (they run at the caller's next await)."""
        if nominal_s < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now_s += nominal_s
        while self._sleepers and self._sleepers[0][0] <= self._now_s:
            sleeper = heapq.heappop(self._sleepers)[2]
            if not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, nominal_s: float) -> None:
        """Wait until the test has advanced the clock so far."""
        if nominal_s <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + nominal_s, next(self._order), woken))
        await woken
