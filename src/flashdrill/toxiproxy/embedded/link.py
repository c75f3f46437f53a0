"""One direction of one connection.

    source endpoint ──> [stage of each toxic that chose this connection] ──> destination endpoint

Without a stage the source writes straight to the destination's transport. The source is paused while
the destination's buffer is full, or while a stage holds more than its capacity.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from flashdrill.toxiproxy.embedded.stage import Sink, Stage
from flashdrill.toxiproxy.embedded.toxic import Toxic
from flashdrill.toxiproxy.embedded.toxics import KINDS


class Outlet(Protocol):
    """The end that a link writes to."""

    def write(self, data: bytes) -> None:
        """Send the data."""

    def close(self) -> None:
        """Send what is buffered, then FIN."""


class Inlet(Protocol):
    """The end that a link is fed by."""

    receive: Callable[[bytes], None]

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read on."""


def discard(data: bytes) -> None:
    """Drop what nobody can get any more."""


class Link:
    """Chunks from `source` to `dest` through the stages; it is the stages' surroundings."""

    def __init__(
        self, source: Inlet, dest: Outlet, *, reset: Callable[[], None], random_key: str
    ) -> None:
        self.source = source
        self.dest = dest
        self.reset = reset
        self.is_over = False
        self._random_key = random_key
        self._rng: Random | None = None
        self._stages: list[tuple[Toxic, Stage]] = []
        self._is_blocked = False
        self._is_paused = False
        self._loop = asyncio.get_running_loop()
        source.receive = dest.write

    @property
    def rng(self) -> Random:
        """This direction's randomness, made when first needed."""
        if self._rng is None:
            self._rng = Random(self._random_key)
        return self._rng

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after the delay."""
        return self._loop.call_later(delay_s, callback)

    def apply(self, toxics: Sequence[Toxic]) -> None:
        """Work with exactly these toxics, in this order; what a removed one holds goes on at once."""
        if self.is_over:
            return
        for toxic, stage in [pair for pair in self._stages if pair[0] not in toxics]:
            self._stages.remove((toxic, stage))
            stage.release()
        if not self.is_over:
            self._rebuild(toxics)

    def retune(self, toxic: Toxic) -> None:
        """A toxic's attributes have changed."""
        for known, stage in list(self._stages):
            if known is toxic:
                stage.retune(toxic.attributes)

    def receive(self, data: bytes) -> None:
        """Take a chunk from the source."""
        self._first.feed(data, self.now())
        self.settle()

    def source_ended(self) -> None:
        """Nothing more comes from the source."""
        if not self.is_over:
            self._first.feed_eof()

    def dest_ended(self) -> None:
        """Nobody is left to send to."""
        self.is_over = True
        self.source.receive = discard
        for _, stage in self._stages:
            stage.stop()
        self._stages.clear()
        self._is_blocked = False
        self.settle()

    def block(self) -> None:
        """The destination's buffer is full."""
        self._is_blocked = True
        self.settle()

    def unblock(self) -> None:
        """The destination takes more."""
        self._is_blocked = False
        self.settle()

    def settle(self) -> None:
        """Pause or resume the source."""
        is_full = self._is_blocked or any(s.held > s.capacity for _, s in self._stages)
        if is_full != self._is_paused:
            self._is_paused = is_full
            if is_full:
                self.source.pause()
            else:
                self.source.resume()

    def feed(self, data: bytes, at: float) -> None:
        """The end of the chain: to the destination."""
        if not self.is_over:
            self.dest.write(data)

    def feed_eof(self) -> None:
        """The end of the chain: close the destination."""
        if not self.is_over:
            self.dest_ended()
            self.dest.close()

    @property
    def _first(self) -> Sink:
        return self._stages[0][1] if self._stages else self

    def _rebuild(self, toxics: Sequence[Toxic]) -> None:
        known = {id(toxic): stage for toxic, stage in self._stages}
        onward: Sink = self
        stages: list[tuple[Toxic, Stage]] = []
        for toxic in reversed(toxics):
            stage = known.get(id(toxic)) or KINDS[toxic.type](self, toxic.attributes, onward)
            stage.onward = onward
            stages.insert(0, (toxic, stage))
            onward = stage
        self._stages = stages
        self.source.receive = self.receive if stages else self.dest.write
        for toxic, stage in stages:
            if id(toxic) not in known:
                stage.start()
        self.settle()
