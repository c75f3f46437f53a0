"""One request's time limit, passed along to everything that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the event loop's clock (real seconds)."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """So many real seconds from now."""
        return cls(asyncio.get_running_loop().time() + seconds)

    def left_s(self) -> float:
        """Real seconds left, not below 0."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    def at_most(self, seconds: float) -> float:
        """`seconds`, or what is left when that is less."""
        return min(seconds, self.left_s())

    async def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Look at the condition until it holds or the time is over; whether it holds."""
        while not (holds := condition()) and self.left_s():  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(_LOOK_S)
        return holds
