"""Known bugs, brought back on purpose, so that the checkers can be seen firing. All are off by default.

    oversell         the gate does not look at stock, and the shard reads, subtracts and writes in separate steps
    lose-queued      the queue acknowledges records that it holds in memory for half a second
    double-on-retry  an attempt whose key was tried before, with no known outcome, is another order
    silent-drop      a full queue (of 8 records) answers success and stores nothing

The other half of `oversell` is in gate.py (`check stock`), that of `double-on-retry` in place.py.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

from backend.deadline import Deadline
from backend.errors import ServiceError
from backend.filequeue import QueueFullError, Record
from backend.identity import order_uid
from backend.lanes import Queue
from backend.orders import NewOrder, Placement, Result
from backend.settings import Settings
from backend.shard import Shard
from backend.shards import OnShort, Shards

LOG = logging.getLogger("backend.defects")

SILENT_DROP_RECORDS = 8
HELD_S = 0.5
LOOK_S = 0.02
STALE_READ_S = 0.12

_READ = "SELECT sku, available FROM stock WHERE sku = ANY ($1::text[])"
_WRITE = "UPDATE stock SET available = $2 WHERE sku = $1"
_THERE = (
    "SELECT order_no, state, queue_seq IS NOT NULL AS was_queued FROM orders WHERE order_uid = $1"
)
_RECORD = "SELECT record_order($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13) AS order_no"


def announce(settings: Settings) -> None:
    """Say loudly that the service is broken on purpose."""
    if settings.defect:
        LOG.warning("DEFECT %r IS ON: this service is broken on purpose", settings.defect)


class OversellingShards(Shards):
    """Read, subtract, write: two orders that read the same number sell the same unit."""

    async def place_many(
        self,
        shard: int,
        orders: Sequence[NewOrder],
        deadline: Deadline,
        on_short: OnShort = "refuse",
    ) -> list[Placement]:
        """One placement per order, each written in steps that know nothing of each other."""
        database = self[shard]
        async with database.breaker.guard(), database.connection(deadline) as connection:
            return [
                await self._place_one(database, connection, order, deadline, on_short)
                for order in orders
            ]

    async def _place_one(
        self, shard: Shard, connection: Any, order: NewOrder, deadline: Deadline, on_short: OnShort
    ) -> Placement:
        there = await shard.fetch(connection, _THERE, order.uid, deadline=deadline)
        if there:
            row = there[0]
            return Placement(Result.REPEAT, row["order_no"], row["state"], row["was_queued"])
        skus = [line.sku for line in order.lines]
        rows = await shard.fetch(connection, _READ, skus, deadline=deadline)
        read = {row["sku"]: row["available"] for row in rows}
        fits = all(read.get(line.sku, 0) >= line.quantity for line in order.lines)
        if not fits and on_short == "refuse":
            return Placement(Result.SOLD_OUT)
        state = "placed" if fits else "compensated"
        await asyncio.sleep(STALE_READ_S)
        for line in order.lines if fits else ():
            left = read[line.sku] - line.quantity
            await shard.fetch(connection, _WRITE, line.sku, left, deadline=deadline)
        recorded = await shard.fetch(
            connection, _RECORD, shard.number, state, *_columns(order), deadline=deadline
        )
        order_no = recorded[0]["order_no"] or ""
        return Placement(Result(state), order_no, state, order.queue_seq is not None)


def _columns(order: NewOrder) -> tuple[Any, ...]:
    return (
        order.uid,
        order.bucket,
        order.channel,
        order.user_id,
        order.key,
        order.body_hash,
        order.amount_cents,
        order.queue_seq,
        [line.sku for line in order.lines],
        [line.quantity for line in order.lines],
        [line.unit_price_cents for line in order.lines],
    )


class ForgetfulQueue:
    """Acknowledges at once and stores later: what it holds is gone when the process is killed."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._held: deque[tuple[float, bytes]] = deque()  # (when to store it, record)

    @property
    def depth(self) -> int:
        """Records that wait, those in memory included."""
        return self._queue.depth + len(self._held)

    async def append(self, payload: bytes) -> int:
        """Acknowledge a record that is in memory only."""
        self._held.append((asyncio.get_running_loop().time() + HELD_S, payload))
        return self._queue.depth + len(self._held)

    def peek(self, limit: int) -> list[Record]:
        """The oldest stored records."""
        return self._queue.peek(limit)

    async def drained(self, through_seq: int) -> None:
        """Forget stored records."""
        await self._queue.drained(through_seq)

    async def run(self) -> None:
        """Store each record when it has been held for its time."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.flush(asyncio.get_running_loop().time())

    async def flush(self, until: float = math.inf) -> None:
        """Store what was to be stored until then."""
        while self._held and self._held[0][0] <= until:
            await self._queue.append(self._held.popleft()[1])

    async def close(self) -> None:
        """Store what is held, then release the files."""
        await self.flush()
        await self._queue.close()


class DroppingQueue:
    """Answers success when it is full."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    @property
    def depth(self) -> int:
        """Records that wait."""
        return self._queue.depth

    async def append(self, payload: bytes) -> int:
        """Store the record, or say so."""
        try:
            return await self._queue.append(payload)
        except QueueFullError:
            return 0

    def peek(self, limit: int) -> list[Record]:
        """The oldest records."""
        return self._queue.peek(limit)

    async def drained(self, through_seq: int) -> None:
        """Forget records."""
        await self._queue.drained(through_seq)

    async def close(self) -> None:
        """Release the files."""
        await self._queue.close()


class ForgottenKeys:
    """The keys of attempts whose outcome is unknown; every later attempt with one becomes another order."""

    def __init__(self, settings: Settings) -> None:
        self.is_on = settings.defect == "double-on-retry"
        self._doubtful: set[bytes] = set()

    def note(self, uid: bytes, error: ServiceError) -> None:
        """Remember an attempt that may have been carried out."""
        if self.is_on and not error.is_definite:
            self._doubtful.add(uid)

    def identity(self, channel: str, user_id: str, key: str) -> bytes:
        """The order's uid: the same for the same key, unless this defect is on."""
        uid = order_uid(channel, user_id, key)
        return self.another(channel, user_id, key) if uid in self._doubtful else uid

    def another(self, channel: str, user_id: str, key: str) -> bytes:
        """A uid that no other attempt has."""
        return order_uid(channel, user_id, key, salt=os.urandom(8))
