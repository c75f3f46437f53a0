"""Rebuilding a shard's counters at the gate from the database.

    close admission ─> wait for the requests in flight ─> one snapshot of the shard
        ─> stock less live reservations less what waits in the queue ─> a new epoch ─> open

Needed when Redis was lost, when the service starts against an empty one, and when a shard sold out that the gate
still believed in. Orders in the queue and attempts of unknown outcome keep their units: their reservations are
written anew under the new epoch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backend.breakers import BreakerOpenError
from backend.clock import Clock
from backend.deadline import Deadline
from backend.errors import ServiceError
from backend.events import EventLog
from backend.gate import MARKER_KEPT_S, PRICES, Gate, Slice, format_lines, marker, parse_lines
from backend.lanes import Lane
from backend.orders import Line, NewOrder
from backend.settings import Settings
from backend.shards import Shards

LOG = logging.getLogger("backend.rebuild")
LOOK_S = 0.05  # real: how often to look whether it is needed
WATCH_S = 1.0  # real: how often to look whether the counters are still there
ASK_S = 0.5  # real: for that look
RETRY_S = 5.0  # nominal: between attempts, and between rebuilds
WRITE_S = 5.0  # real: for the snapshot and for the new counters


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation that has to survive."""

    uid: bytes
    user_id: str
    body_hash: str
    lines: tuple[Line, ...]
    state: str  # unknown, queued or pending


class Rebuild:
    """Watches one shard's part of the gate; `run` belongs to the service's task group."""

    def __init__(
        self,
        shard: int,
        *,
        settings: Settings,
        clock: Clock,
        shards: Shards,
        gate: Gate,
        lane: Lane,
        events: EventLog,
    ) -> None:
        self._shard = shard
        self._part: Slice = gate.slices[shard]
        self._quiet_s = settings.request_deadline_s + 0.5
        self._clock = clock
        self._shards = shards
        self._gate = gate
        self._lane = lane
        self._events = events

    async def run(self) -> None:
        """Rebuild whenever it is needed, until cancelled."""
        while True:
            await self._until_doubted()
            try:
                await self.rebuild()
            except (ServiceError, BreakerOpenError) as error:
                LOG.warning("the counters of shard%d are not rebuilt yet: %s", self._shard, error)
                await asyncio.sleep(LOOK_S)
            await self._clock.sleep(RETRY_S)

    async def _until_doubted(self) -> None:
        """Until somebody missed the counters; with nobody there to miss them, they are looked for now and then."""
        while not self._part.doubted.is_set():
            try:
                async with asyncio.timeout(WATCH_S):
                    await self._part.doubted.wait()
            except TimeoutError:
                await self._look()

    async def _look(self) -> None:
        try:
            if not await self._gate.has_counters(self._shard, Deadline.after(ASK_S)):
                self._part.doubted.set()
        except (ServiceError, BreakerOpenError):
            return  # a Redis that does not answer has its breaker

    async def rebuild(self) -> None:
        """Close, rebuild, open. Raises ServiceError or BreakerOpenError; the gate stays in doubt then."""
        self._part.is_closed = True
        self._part.doubted.set()
        self._events.emit("gate", f"shard{self._shard}", state="closed")
        try:
            await self._quiesce()
            holds = await self._holds()
            snapshot = await self._shards.gate_snapshot(
                self._shard, list(holds), Deadline.after(WRITE_S)
            )
            await self._write(snapshot, holds)
            self._part.doubted.clear()
        finally:
            self._part.is_closed = False
        self._events.emit("gate", f"shard{self._shard}", state="open")
        LOG.info("the counters of shard%d are rebuilt; %d holds kept", self._shard, len(holds))

    async def _quiesce(self) -> None:
        """Wait for the requests that hold a reservation; each is bounded by its deadline."""
        await Deadline.after(self._quiet_s).wait_until(lambda: not self._part.in_flight)

    async def _holds(self) -> dict[bytes, Hold]:
        """What is reserved: in doubt, in the queue, or pending in a Redis that is still there."""
        found = await self._pending()
        for order in self._part.in_doubt.values():
            found[order.uid] = _hold(order, "unknown")
        for order in self._lane.orders():
            found[order.uid] = _hold(order, "queued")
        return found

    async def _pending(self) -> dict[bytes, Hold]:
        async def ask(redis: Any) -> dict[bytes, Hold]:
            uids = [
                bytes.fromhex(u.decode())
                for u in await redis.zrange(self._part.key("pending"), 0, -1)
            ]
            holds: dict[bytes, Hold] = {}
            for uid in uids:
                mark: dict[bytes, bytes] = await redis.hgetall(marker(uid))
                if mark.get(b"lines"):
                    holds[uid] = _hold_of(uid, {k.decode(): v.decode() for k, v in mark.items()})
            return holds

        return await self._gate.store.run(ask, Deadline.after(WRITE_S))

    async def _write(self, snapshot: dict[str, list[list[Any]]], holds: dict[bytes, Hold]) -> None:
        """The new counters and reservations, all at once."""
        recorded = {bytes.fromhex(row[0]): row for row in snapshot["orders"]}
        kept = [hold for uid, hold in holds.items() if uid not in recorded]
        stock = Counter({sku: units for sku, units, _ in snapshot["stock"]})
        bought = Counter({f"{user}|{sku}": int(units) for user, sku, units in snapshot["bought"]})
        for hold in kept:
            for line in hold.lines:
                stock[line.sku] -= line.quantity
                bought[f"{hold.user_id}|{line.sku}"] += line.quantity
        prices = {sku: price for sku, _, price in snapshot["stock"]}
        settled = [(holds[uid], row) for uid, row in recorded.items()]
        now = self._clock.now()
        epoch = f"{now:.6f}"

        async def write(redis: Any) -> None:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.delete(*(self._part.key(name) for name in ("stock", "bought", "pending")))
                _put(pipe, PRICES, prices)
                _put(pipe, self._part.key("stock"), stock)
                _put(pipe, self._part.key("bought"), bought)
                _put_holds(pipe, self._part, kept, epoch, now)
                _put_settled(pipe, settled)
                pipe.set(self._part.key("epoch"), epoch)
                await pipe.execute()

        await self._gate.store.run(write, Deadline.after(WRITE_S))
        for uid in recorded:
            self._part.in_doubt.pop(uid, None)


def _put(pipe: Any, key: str, mapping: dict[str, int]) -> None:
    if mapping:
        pipe.hset(key, mapping=mapping)


def _put_holds(pipe: Any, part: Slice, kept: Iterable[Hold], epoch: str, now: float) -> None:
    for hold in kept:
        fields = {
            "state": hold.state,
            "body": hold.body_hash,
            "user": hold.user_id,
            "lines": format_lines(hold.lines),
            "epoch": epoch,
            "holders": 0,
        }
        pipe.hset(marker(hold.uid), mapping=fields)
        pipe.zadd(part.key("pending"), {hold.uid.hex(): now})


def _put_settled(pipe: Any, settled: Iterable[tuple[Hold, list[Any]]]) -> None:
    for hold, (_, order_no, state, was_queued) in settled:
        key = marker(hold.uid)
        answer = 202 if was_queued or state == "compensated" else 201
        fields = {"state": state, "order_no": order_no, "answer": answer, "body": hold.body_hash}
        pipe.delete(key)
        pipe.hset(key, mapping=fields)
        pipe.expire(key, MARKER_KEPT_S)


def _hold(order: NewOrder, state: str) -> Hold:
    return Hold(order.uid, order.user_id, order.body_hash.hex(), order.lines, state)


def _hold_of(uid: bytes, mark: dict[str, str]) -> Hold:
    return Hold(uid, mark["user"], mark["body"], parse_lines(mark["lines"]), mark["state"])
