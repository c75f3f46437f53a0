"""Draining a shard's queue into its database, in order, each order once.

    peek a batch ─> place_many (short of stock: compensated) ─> settle at the gate ─> drained
         ^                    │ an error: the same batch again, a little later
         └────────────────────┘ data that the shard refuses: the batch is halved until the culprit is alone

The write is idempotent by uid, so a batch that was written and not yet drained when the process died is written
again without effect. At level 1 with nothing queued the shard is probed, since no customer's write goes there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from backend.breakers import BreakerOpenError
from backend.clock import Clock
from backend.deadline import Deadline
from backend.errors import GateUnavailableError, PoisonError, ServiceError
from backend.events import EventLog
from backend.filequeue import FileQueueError, Record
from backend.gate import Gate
from backend.lanes import Lane
from backend.levels import DegradationController
from backend.orders import NewOrder, Placement, Result, decode
from backend.settings import Settings
from backend.shards import Shards

LOG = logging.getLogger("backend.drain")
RETRY_S = 1.0  # nominal: before the same batch is tried again, and between probes
IDLE_S = 1.0  # nominal: between looks at the level while nothing arrives


class Drain:
    """One shard's drain; `run` belongs to the service's task group."""

    def __init__(
        self,
        lane: Lane,
        *,
        settings: Settings,
        clock: Clock,
        shards: Shards,
        gate: Gate,
        levels: DegradationController,
        events: EventLog,
    ) -> None:
        self._lane = lane
        self._batch = settings.drain_batch
        self._deadline_s = settings.request_deadline_s
        self._dead_letters = Path(settings.queue_dir) / f"{lane.name}-dead-letters.jsonl"
        self._clock = clock
        self._shards = shards
        self._gate = gate
        self._levels = levels
        self._events = events

    async def run(self) -> None:
        """Drain until cancelled."""
        while True:
            if self._lane.peek(1):
                if not await self.step():
                    await self._clock.sleep(RETRY_S)
            elif self._levels.level(self._lane.name) >= 1:
                await self._probe()
                await self._clock.sleep(RETRY_S)
            else:
                await self._wait()

    async def step(self) -> bool:
        """Write the oldest batch and forget it; whether that went well."""
        records = self._lane.peek(self._batch)
        orders = [order for record in records if (order := self._decoded(record))]
        try:
            placements = await self._place(orders)
        except (ServiceError, BreakerOpenError) as error:
            self._levels.record(self._lane.name, ok=False)
            LOG.debug("%s: %d records stay queued: %s", self._lane.name, len(records), error)
            return False
        for _ in orders:
            self._levels.record(self._lane.name, ok=True)
        await self._settle(orders, placements)
        try:
            await self._lane.drained(records[-1].seq, [order.uid for order in orders])
        except FileQueueError:
            LOG.exception("%s: the drain cannot be recorded; restart the service", self._lane.name)
            return False
        self._events.emit(
            "queue", self._lane.name, state="drained", records=len(records), depth=self._lane.depth
        )
        return True

    async def _place(self, orders: Sequence[NewOrder]) -> list[Placement | None]:
        """A placement for each order; None for one that the shard will never take."""
        if not orders:
            return []
        try:
            deadline = Deadline.after(self._deadline_s)
            return [
                *await self._shards.place_many(
                    self._lane.number, orders, deadline, on_short="compensate"
                )
            ]
        except PoisonError as error:
            if len(orders) == 1:
                self._set_aside(
                    orders[0].queue_seq, str(error), msgspec.json.encode(orders[0]).decode()
                )
                return [None]
        middle = len(orders) // 2
        return [*await self._place(orders[:middle]), *await self._place(orders[middle:])]

    async def _settle(
        self, orders: Sequence[NewOrder], placements: Sequence[Placement | None]
    ) -> None:
        """Tell the gate about the batch."""
        async with asyncio.TaskGroup() as group:
            for order, placement in zip(orders, placements, strict=True):
                if placement is not None:
                    group.create_task(self._settle_one(order, placement))

    async def _settle_one(self, order: NewOrder, placement: Placement) -> None:
        """What the gate does not hear now, the sweep tells it."""
        if placement.result is Result.KEY_CONFLICT:
            self._set_aside(order.queue_seq, "key conflict", msgspec.json.encode(order).decode())
            return
        try:
            await self._gate.settle(
                self._lane.number,
                order.uid,
                placement,
                Deadline.after(self._deadline_s),
                body_hash=order.body_hash,
            )
        except GateUnavailableError as error:
            LOG.warning("the sweep will settle %s: %s", placement.order_no, error)

    async def _probe(self) -> None:
        try:
            await self._shards.probe(self._lane.number, Deadline.after(self._deadline_s))
        except (ServiceError, BreakerOpenError):
            self._levels.record(self._lane.name, ok=False)
        else:
            self._levels.record(self._lane.name, ok=True)

    async def _wait(self) -> None:
        """Until something arrives, or it is time to look at the level again."""
        self._lane.arrived.clear()
        if self._lane.peek(1):
            return
        try:
            async with asyncio.timeout(self._clock.real_s(IDLE_S)):
                await self._lane.arrived.wait()
        except TimeoutError:
            pass

    def _decoded(self, record: Record) -> NewOrder | None:
        try:
            return decode(record.payload, record.seq)
        except msgspec.MsgspecError as error:
            self._set_aside(
                record.seq, f"not an order: {error}", record.payload.decode(errors="replace")
            )
            return None

    def _set_aside(self, seq: int | None, reason: str, payload: str) -> None:
        """Keep what can never be written where a person finds it; on disk before it is drained."""
        line = json.dumps({"seq": seq, "reason": reason, "payload": payload}) + "\n"
        descriptor = os.open(self._dead_letters, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._events.emit("queue", self._lane.name, state="dead-letter", seq=seq)
        LOG.error("%s: record %s is set aside: %s", self._lane.name, seq, reason)
