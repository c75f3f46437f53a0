"""One direction of one connection.

    source endpoint ──> [stage of each toxic that chose this connection] ──> destination endpoint

Without a stage the source writes straight to the destination's transport, and is paused while that one's
buffer is full. With stages it is paused while a stage holds more than its capacity (or the
proxy's toxics together too much), or while the stages and
a full buffer together do: what a slow reader leaves in the buffer counts, and does not stop the stages from
filling, so that a reader never waits for a delay that could have passed meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from flashdrill.toxiproxy.embedded.room import BUFFER_BYTES, Room
from flashdrill.toxiproxy.embedded.stage import Sink, Stage
from flashdrill.toxiproxy.embedded.toxic import Toxic
from flashdrill.toxiproxy.embedded.toxics import KINDS


class Outlet(Protocol):
    """The end that a link writes to."""

    @property
    def buffered(self) -> int:
        """Bytes that the socket has not taken yet."""

    def limit(self, size: int) -> None:
        """Call the buffer full beyond so many bytes."""

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
        self,
        source: Inlet,
        dest: Outlet,
        *,
        room: Room,
        reset: Callable[[], None],
        random_key: str,
    ) -> None:
        self.source = source
        self.dest = dest
        self.reset = reset
        self.is_over = False
        self._room = room
        self._random_key = random_key
        self._rng: Random | None = None
        self._stages: list[tuple[Toxic, Stage]] = []
        self._held = 0
        self._is_blocked = False
        self._is_paused = False
        self._buffer_limit = BUFFER_BYTES
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
        self._limit()
        self.settle()

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
        is_full = self._is_full()
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

    def _is_full(self) -> bool:
        held = sum(stage.held for _, stage in self._stages)
        self._room.held += held - self._held
        self._held = held
        if not self._stages:
            return self._is_blocked
        allowed = self._room.allowance
        if any(stage.held > allowed(stage.capacity) for _, stage in self._stages):
            return True
        return self._is_blocked and self.dest.buffered + held > self._window()

    def _window(self) -> int:
        wanted = max((stage.capacity for _, stage in self._stages), default=BUFFER_BYTES)
        return self._room.allowance(wanted)

    def _limit(self) -> None:
        """A buffer that is nearly the whole window says so when it gets less: the source is read again in time."""
        limit = max(BUFFER_BYTES, self._window() * 3 // 4)
        if limit != self._buffer_limit and not self.is_over:
            self._buffer_limit = limit
            self.dest.limit(limit)

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
        self._limit()
        self.settle()
