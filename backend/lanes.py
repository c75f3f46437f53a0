"""A shard's lane around its database: the durable file queue, and which orders wait in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from backend.errors import QueueRefusedError, UnknownCommitError
from backend.filequeue import FileQueue, FileQueueError, Record
from backend.meters import Meter
from backend.orders import NewOrder, decode, encode
from backend.timing import BREAKDOWN


class Queue(Protocol):
    """What a lane asks of its queue: FileQueue, or one that is broken on purpose (defects.py)."""

    @property
    def depth(self) -> int:
        """How many records wait."""

    async def append(self, payload: bytes) -> int:
        """Store a record durably; its sequence number."""

    def peek(self, limit: int) -> list[Record]:
        """The oldest records."""

    async def drained(self, through_seq: int) -> None:
        """Forget them."""

    async def close(self) -> None:
        """Release the files."""


@dataclass(slots=True)
class Entry:
    """An order in the lane. It counts as acknowledged when `is_stored`."""

    order: NewOrder
    is_stored: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Lane:
    """The queue of one shard, and the orders in it by uid."""

    def __init__(self, number: int, queue: Queue, meter: Meter) -> None:
        self.number = number
        self.name = f"shard{number}"
        self.queue = queue
        self.meter = meter
        self.arrived = asyncio.Event()  # set when there may be something to drain
        self._entries: dict[bytes, Entry] = {}
        for record in queue.peek(queue.depth):
            self._remember(record)

    @property
    def depth(self) -> int:
        """How many records wait."""
        return self.queue.depth

    def waiting(self, uid: bytes) -> Entry | None:
        """The order's entry while it is on its way to the queue or in it."""
        return self._entries.get(uid)

    def orders(self) -> Iterator[NewOrder]:
        """The orders in the lane."""
        return (entry.order for entry in self._entries.values())

    async def append(self, order: NewOrder) -> None:
        """Return when the order is on disk.

        Raises QueueRefusedError (definite) or UnknownCommitError. An order that is in the lane already is not
        stored again; its second customer waits for the first one's answer.
        """
        known = self._entries.get(order.uid)
        if known is not None:
            await known.settled.wait()
            if not known.is_stored:
                raise QueueRefusedError(f"the queue of {self.name} did not take the order")
            return
        entry = self._entries[order.uid] = Entry(order)
        try:
            with self.meter.waiting(BREAKDOWN.get()):
                await self.queue.append(encode(order))
            entry.is_stored = True
            self.arrived.set()
        except FileQueueError as error:
            raise _translated(self.name, error) from error
        finally:
            entry.settled.set()
            if not entry.is_stored and self._entries.get(order.uid) is entry:
                del self._entries[order.uid]

    def peek(self, limit: int) -> list[Record]:
        """The oldest records."""
        return self.queue.peek(limit)

    async def drained(self, through_seq: int, uids: list[bytes]) -> None:
        """The records up to `through_seq`, these orders, are recorded on the shard."""
        await self.queue.drained(through_seq)
        for uid in uids:
            self._entries.pop(uid, None)

    def _remember(self, record: Record) -> None:
        try:
            order = decode(record.payload, record.seq)
        except msgspec.MsgspecError:
            return  # the drain sets it aside
        entry = self._entries.setdefault(order.uid, Entry(order, is_stored=True))
        entry.settled.set()


def folder(queue_dir: str | Path, number: int) -> Path:
    """Where the queue of a shard is."""
    return Path(queue_dir) / f"shard{number}"


def open_queue(queue_dir: str | Path, number: int, *, max_records: int, meter: Meter) -> FileQueue:
    """A shard's queue, repaired after a crash. Blocks. Raises FileQueueError, OSError."""
    return FileQueue.open(
        folder(queue_dir, number), max_records=max_records, committing=meter.holding()
    )


def _translated(name: str, error: FileQueueError) -> QueueRefusedError | UnknownCommitError:
    kind = QueueRefusedError if error.is_definite else UnknownCommitError
    return kind(f"the queue of {name}: {error}")
