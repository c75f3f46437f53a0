"""The cap on requests while they are sent: the one that would be too much is not sent, and the run ends."""

from __future__ import annotations

import math
from collections.abc import Callable

from flashdrill.load.exchange import HeldBackError

SECOND_NS = 10**9


class RateCap:
    """Counts the requests of one of `workers` load processes, second by second from the first request on.

    Each of them has its share of the cap: a schedule is dealt out evenly, so that this is never less than it needs for
    arrivals. `on_exceeded` is called once, with the share.
    """

    def __init__(self, per_s: float, workers: int, on_exceeded: Callable[[int], None]) -> None:
        self._most = math.ceil(per_s / workers)
        self._on_exceeded = on_exceeded
        self._ends_ns = 0
        self._sent = 0
        self.is_exceeded = False

    def count(self, now_ns: int) -> None:
        """A request is about to leave. Raises HeldBackError, which ends its customer, when it must not."""
        if now_ns >= self._ends_ns:
            self._ends_ns = now_ns + SECOND_NS
            self._sent = 0
        self._sent += 1
        if self._sent > self._most or self.is_exceeded:
            self._exceed()

    def _exceed(self) -> None:
        if not self.is_exceeded:
            self.is_exceeded = True
            self._on_exceeded(self._most)
        raise HeldBackError
