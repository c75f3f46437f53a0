"""What every toxic is made of: a stage that chunks of one direction of one connection pass through.

    source ──> Stage ──> Stage ──> destination
               └ holds at most about `capacity` bytes: beyond it the source is not read

Times are seconds of one monotonic clock. A chunk carries the moment `at` from which delays count.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

SLACK_S = 0.0005
"""Timers have a resolution of a millisecond: what is due within half of one may leave."""


class Sink(Protocol):
    """Where chunks go."""

    def feed(self, data: bytes, at: float) -> None:
        """Take a chunk that is not empty."""

    def feed_eof(self) -> None:
        """Take the end; nothing comes after it."""


class Surroundings(Protocol):
    """What a stage may ask of the link that it is part of."""

    @property
    def rng(self) -> Random:
        """Repeatable randomness of this direction of this connection."""

    def now(self) -> float:
        """The clock."""

    def later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after the delay."""

    def settle(self) -> None:
        """Pause or resume the source after what is held has changed."""

    def reset(self) -> None:
        """Cut the connection with RST on both sides."""


class Stage:
    """Passes everything on. The toxics are its children."""

    capacity = 64 * 1024
    names: tuple[str, ...] = ()
    """The toxic's attributes, in the order in which the API shows them."""

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        self.around = around
        self.attributes = attributes
        self.onward = onward
        self.held = 0

    def feed(self, data: bytes, at: float) -> None:
        """Take a chunk."""
        self.onward.feed(data, at)

    def feed_eof(self) -> None:
        """Take the end of the stream."""
        self.onward.feed_eof()

    def start(self) -> None:
        """The stage is in its place."""

    def retune(self, attributes: Mapping[str, int]) -> None:
        """Go on with other attributes."""
        self.attributes = attributes

    def release(self) -> None:
        """The toxic was removed: pass on what is held, at once."""

    def stop(self) -> None:
        """The connection is gone: hold nothing, wait for nothing."""


@dataclass(slots=True)
class Item:
    """A held chunk; no data means the end of the stream. `due`: when it may leave."""

    data: bytes
    at: float
    due: float = 0.0


class QueueStage(Stage):
    """Holds chunks in order until each may leave."""

    one_at_a_time = False
    """Whether each chunk is to be a write of its own."""

    def __init__(self, around: Surroundings, attributes: Mapping[str, int], onward: Sink) -> None:
        super().__init__(around, attributes, onward)
        self.queue: deque[Item] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes, at: float) -> None:
        """Hold a chunk until it may leave."""
        self.admit(Item(data, at))

    def feed_eof(self) -> None:
        """Hold the end behind what is held."""
        self.admit(Item(b"", self.around.now()))

    def admit(self, item: Item) -> None:
        """Put an item at the end of the queue."""
        if not self.queue:
            self.wake_up()
        self.held += len(item.data)
        self.plan(item)
        self.queue.append(item)
        if self._timer is None:
            self.pump()

    def wake_up(self) -> None:
        """The queue is about to be used after it was empty."""

    def plan(self, item: Item) -> None:
        """Note in the item when it may leave, if that is known by now."""

    def leave_at(self, item: Item) -> float:
        """When the first item may leave; infinite: not by itself."""
        return item.due

    def emit(self) -> None:
        """Pass the first item on."""
        item = self.queue.popleft()
        self.held -= len(item.data)
        self.pass_on(item)

    def pass_on(self, item: Item) -> None:
        """Give an item to the next stage."""
        if item.data:
            self.onward.feed(item.data, item.at)
        else:
            self.onward.feed_eof()

    def pump(self) -> None:
        """Pass on what is due, and come back for the rest."""
        self._disarm()
        while self.queue:
            wait_s = self.leave_at(self.queue[0]) - self.around.now()
            if wait_s > SLACK_S:
                self._arm(wait_s)
                break
            item = self.queue[0]
            self.emit()
            if self.one_at_a_time:
                self._arm(max(0.0, self.leave_at(item) - self.around.now()))
                break
        self.around.settle()

    def retune(self, attributes: Mapping[str, int]) -> None:
        """Plan everything that is held anew."""
        self.attributes = attributes
        for item in self.queue:
            self.plan(item)
        self.pump()

    def release(self) -> None:
        """Pass on everything, at once and in order."""
        self._disarm()
        while self.queue:
            item = self.queue.popleft()
            self.held -= len(item.data)
            self.pass_on(item)

    def stop(self) -> None:
        """Forget everything."""
        self._disarm()
        self.queue.clear()
        self.held = 0

    def _arm(self, wait_s: float) -> None:
        if math.isfinite(wait_s):
            self._timer = self.around.later(wait_s, self.pump)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
