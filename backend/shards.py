"""What the service asks of its databases: one statement for each question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backend.deadline import Deadline
from backend.orders import NewOrder, Placement, Result
from backend.shard import Shard

OnShort = Literal["refuse", "compensate"]

_PLACE = "SELECT * FROM place_orders($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)"
_FIND = """
SELECT o.order_no, o.status, o.state, o.amount_cents, o.paid_at, (
    SELECT json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity, 'unit_price_cents', l.unit_price_cents)
                    ORDER BY l.line_no)
    FROM order_lines AS l WHERE l.order_uid = o.order_uid
) AS lines
FROM orders AS o WHERE o.order_uid = $1
"""
_EXISTING = """
SELECT order_uid, order_no, state, queue_seq IS NOT NULL AS was_queued FROM orders WHERE order_uid = ANY ($1::bytea[])
"""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as its shard has it; `lines` are JSON objects."""

    order_no: str
    status: int
    state: str
    amount_cents: int
    paid_at: datetime | None
    lines: tuple[Mapping[str, Any], ...]


class Shards:
    """All shards, by number. Use as `async with`."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = tuple(shards)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Shards:
        async with AsyncExitStack() as stack:
            for shard in self._shards:
                await stack.enter_async_context(shard)
            self._opened = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def __getitem__(self, number: int) -> Shard:
        return self._shards[number]

    def __iter__(self) -> Any:
        return iter(self._shards)

    def __len__(self) -> int:
        return len(self._shards)

    async def place_many(
        self,
        shard: int,
        orders: Sequence[NewOrder],
        deadline: Deadline,
        on_short: OnShort = "refuse",
    ) -> list[Placement]:
        """Write a batch in one statement, in its order; one placement per order. Idempotent by uid.

        Raises what Shard.call raises; all orders of the batch share the outcome of the statement.
        """
        rows = await self._shards[shard].call(
            _PLACE, shard, on_short, *_columns(orders), deadline=deadline
        )
        return [placement_of(row) for row in rows]

    async def pay(
        self,
        shard: int,
        uid: bytes,
        transaction_id: str,
        amount_cents: int,
        paid_at: datetime,
        deadline: Deadline,
    ) -> str:
        """`paid`, `repeat`, or why not: see pay_order in schema.sql."""
        rows = await self._shards[shard].call(
            "SELECT pay_order($1,$2,$3,$4) AS answer",
            uid,
            transaction_id,
            amount_cents,
            paid_at,
            deadline=deadline,
        )
        return str(rows[0]["answer"])

    async def find(self, shard: int, uid: bytes, deadline: Deadline) -> StoredOrder | None:
        """The order with its lines, or None."""
        rows = await self._shards[shard].call(_FIND, uid, deadline=deadline)
        if not rows:
            return None
        row = dict(rows[0])
        return StoredOrder(**{**row, "lines": tuple(json.loads(row["lines"] or "[]"))})

    async def existing(
        self, shard: int, uids: Sequence[bytes], deadline: Deadline
    ) -> dict[bytes, Placement]:
        """Those of the orders that the shard has."""
        rows = await self._shards[shard].call(_EXISTING, list(uids), deadline=deadline)
        return {
            row["order_uid"]: Placement(
                Result.REPEAT, row["order_no"], row["state"], row["was_queued"]
            )
            for row in rows
        }

    async def gate_snapshot(
        self, shard: int, uids: Sequence[bytes], deadline: Deadline
    ) -> dict[str, list[list[Any]]]:
        """What the gate is rebuilt from: `stock`, `bought` and `orders`, in one snapshot of the shard."""
        rows = await self._shards[shard].call(
            "SELECT gate_snapshot($1::bytea[]) AS found", list(uids), deadline=deadline
        )
        found: dict[str, list[list[Any]]] = json.loads(rows[0]["found"])
        return found

    async def probe(self, shard: int, deadline: Deadline) -> None:
        """Ask for nothing, to see whether it answers."""
        await self._shards[shard].call("SELECT 1", deadline=deadline)


def placement_of(row: Any) -> Placement:
    """A row of place_orders."""
    return Placement(
        Result(row["r_result"]), row["r_order_no"] or "", row["r_state"], row["r_was_queued"]
    )


def _columns(orders: Sequence[NewOrder]) -> tuple[list[Any], ...]:
    """The batch as place_orders takes it: a column per field, the lines of all orders one after the other."""
    lines = [line for order in orders for line in order.lines]
    ends, end = [], 0
    for order in orders:
        end += len(order.lines)
        ends.append(end)
    return (
        [order.uid for order in orders],
        [order.bucket for order in orders],
        [order.channel for order in orders],
        [order.user_id for order in orders],
        [order.key for order in orders],
        [order.body_hash for order in orders],
        [order.amount_cents for order in orders],
        [order.queue_seq for order in orders],
        ends,
        [line.sku for line in lines],
        [line.quantity for line in lines],
        [line.unit_price_cents for line in lines],
    )
