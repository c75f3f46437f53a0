"""The toxics, one class each. Attributes are integers, named as in the API."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from random import Random

from flashdrill.toxiproxy.embedded.stage import Item, QueueStage, Sink, Stage, Surroundings

MS_PER_S = 1e3
US_PER_S = 1e6


class Noop(Stage):
    """Does nothing."""


class Latency(QueueStage):
    """Delays each chunk by `latency` ± `jitter` ms, pipelined: it delays, and does not slow down."""

    names = ("latency", "jitter")
    BYTES_PER_MS = 512 * 1024
    MAX_BYTES = 8 * 1024 * 1024

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._size_up()

    def retune(self, attributes: Mapping[str, int]) -> None:
        """Plan what is held anew, and hold as much as the new delay needs."""
        super().retune(attributes)
        self._size_up()

    def plan(self, item: Item) -> None:
        """Due a latency after its arrival; the end is not delayed, it only waits its turn."""
        item.due = item.at + self._delay_s() if item.data else item.at

    def pass_on(self, item: Item) -> None:
        """The next delay counts from the end of this one: latencies add up."""
        item.at = max(item.at, item.due)
        super().pass_on(item)

    def _size_up(self) -> None:
        """Hold what comes in during the delay, at half a gigabyte a second, within bounds."""
        delay_ms = self.attributes["latency"] + abs(self.attributes["jitter"])
        wanted = Stage.capacity + max(0, delay_ms) * self.BYTES_PER_MS
        self.capacity = min(wanted, self.MAX_BYTES)

    def _delay_s(self) -> float:
        latency, jitter = self.attributes["latency"], self.attributes["jitter"]
        if jitter > 0:
            latency += self.around.rng.randrange(-jitter, jitter)
        return max(0, latency) / MS_PER_S


class Bandwidth(QueueStage):
    """Lets `rate` KB (1,000 bytes) a second through, in pieces of at most 100 ms; 0 stalls."""

    names = ("rate",)
    PIECE_MS = 100

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._free_at = around.now()

    def wake_up(self) -> None:
        """Time without data is not saved up."""
        self._free_at = max(self._free_at, self.around.now())

    def leave_at(self, item: Item) -> float:
        """When its first piece has taken its time."""
        if self.attributes["rate"] <= 0:
            return math.inf
        return self._free_at + self._cost_s(item)

    def emit(self) -> None:
        """Pass on a piece; the rest stays first."""
        item = self.queue[0]
        self._free_at += self._cost_s(item)
        size = self._piece(item)
        if size >= len(item.data):
            super().emit()
            return
        piece, item.data = item.data[:size], item.data[size:]
        self.held -= size
        self.onward.feed(piece, item.at)

    def retune(self, attributes: Mapping[str, int]) -> None:
        """The new rate counts from now."""
        self.wake_up()
        super().retune(attributes)

    def _piece(self, item: Item) -> int:
        return min(len(item.data), self.attributes["rate"] * self.PIECE_MS)

    def _cost_s(self, item: Item) -> float:
        return self._piece(item) / (self.attributes["rate"] * 1000)


class SlowClose(QueueStage):
    """Delays the end of the stream by `delay` ms."""

    names = ("delay",)

    def plan(self, item: Item) -> None:
        """Only the end waits."""
        item.due = item.at if item.data else self.around.now() + self._delay_s()

    def _delay_s(self) -> float:
        return self.attributes["delay"] / MS_PER_S


class Timeout(Stage):
    """Drops everything; closes after `timeout` ms without a chunk; 0 never closes (a black hole)."""

    names = ("timeout",)

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The first silence begins."""
        self._restart()

    def feed(self, data: bytes, at: float) -> None:
        """Drop it; a new silence begins."""
        self._restart()

    def retune(self, attributes: Mapping[str, int]) -> None:
        """A new silence begins."""
        self.attributes = attributes
        self._restart()

    def release(self) -> None:
        """What was dropped cannot be made up for: the connection closes."""
        self.stop()
        self.onward.feed_eof()

    def stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _restart(self) -> None:
        self.stop()
        if self.attributes["timeout"] > 0:
            silence_s = self.attributes["timeout"] / MS_PER_S
            self._timer = self.around.later(silence_s, self.onward.feed_eof)


class ResetPeer(QueueStage):
    """Cuts the connection with RST, `timeout` ms after the first data or end; that data is held back."""

    names = ("timeout",)

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._fuse: asyncio.TimerHandle | None = None

    def leave_at(self, item: Item) -> float:
        """Nothing leaves, unless the toxic is removed in time."""
        return math.inf

    def admit(self, item: Item) -> None:
        """The first arrival lights the fuse."""
        super().admit(item)
        if self._fuse is None:
            self._light()

    def retune(self, attributes: Mapping[str, int]) -> None:
        """A lit fuse is cut anew."""
        super().retune(attributes)
        if self._fuse is not None:
            self._fuse.cancel()
            self._light()

    def release(self) -> None:
        """Put the fuse out and let the data go."""
        self._put_out()
        super().release()

    def stop(self) -> None:
        """Put the fuse out."""
        self._put_out()
        super().stop()

    def _light(self) -> None:
        self._fuse = self.around.later(self.attributes["timeout"] / MS_PER_S, self.around.reset)

    def _put_out(self) -> None:
        if self._fuse is not None:
            self._fuse.cancel()
            self._fuse = None


class Slicer(QueueStage):
    """Cuts chunks into pieces of `average_size` ± `size_variation` bytes, `delay` µs apart."""

    names = ("average_size", "size_variation", "delay")
    one_at_a_time = True

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._next_at = around.now()

    def feed(self, data: bytes, at: float) -> None:
        """Hold the pieces."""
        sizes = self.attributes["average_size"], self.attributes["size_variation"]
        for start, end in slices(len(data), *sizes, self.around.rng):
            self.admit(Item(data[start:end], at))

    def wake_up(self) -> None:
        """Time without data is not saved up."""
        self._next_at = max(self._next_at, self.around.now())

    def leave_at(self, item: Item) -> float:
        """A delay after the one before."""
        return self._next_at

    def emit(self) -> None:
        """Pass a piece on; the next one waits."""
        self._next_at += max(0, self.attributes["delay"]) / US_PER_S
        super().emit()


def slices(
    size: int, average: int, variation: int, rng: Random, start: int = 0
) -> Iterator[tuple[int, int]]:
    """Cuts `size` bytes, by halving, into pieces as (start, end) that are about `average` long.

    An average below one byte means pieces of one byte (the real server never comes back from that).
    """
    if size <= 1 or size - max(1, average) <= variation:
        yield start, start + size
        return
    middle = size // 2
    if variation > 0:
        middle += rng.randrange(-variation, variation)
    middle = min(max(1, middle), size - 1)
    yield from slices(middle, average, variation, rng, start)
    yield from slices(size - middle, average, variation, rng, start + middle)


class LimitData(Stage):
    """Closes the connection when `bytes` bytes have passed."""

    names = ("bytes",)

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self._passed = 0
        self._has_closed = False

    def feed(self, data: bytes, at: float) -> None:
        """Pass on what the limit still allows."""
        if self._has_closed:
            return
        left = max(0, self.attributes["bytes"] - self._passed)
        if data := data[:left]:
            self._passed += len(data)
            self.onward.feed(data, at)
        if self._passed >= self.attributes["bytes"]:
            self._has_closed = True
            self.onward.feed_eof()


KINDS: Mapping[str, type[Stage]] = {
    "bandwidth": Bandwidth,
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}
"""The toxics of the API, by type."""
