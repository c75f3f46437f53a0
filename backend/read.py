"""Looking up orders (their shard is the authority) and products (the gate's counters)."""

from __future__ import annotations

from typing import Any

from backend.deadline import Deadline
from backend.errors import RefusedError
from backend.gate import Gate
from backend.identity import parse_order_id
from backend.lanes import Lane
from backend.meters import Meter
from backend.orders import Line
from backend.payloads import is_sku
from backend.settings import Settings
from backend.shards import Shards, StoredOrder

STATUSES = {
    10: "pending_payment",
    20: "paid",
    30: "shipped",
    40: "delivered",
    50: "completed",
    60: "cancelled",
    70: "refunding",
    80: "refunded",
}


class Reads:
    """Both look-ups. They raise ServiceError or BreakerOpenError."""

    def __init__(
        self, *, settings: Settings, shards: Shards, gate: Gate, lanes: list[Lane], requests: Meter
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._gate = gate
        self._lanes = lanes
        self._requests = requests

    async def order(self, order_id: str, deadline: Deadline) -> dict[str, Any]:
        """The order as JSON; one that waits in the queue is `queued` and has no number yet."""
        place = parse_order_id(order_id)
        if place is None:
            raise RefusedError("not-found", "there is no such order", 404)
        uid, bucket = place
        shard = self._settings.shard_of(bucket)
        entry = self._lanes[shard].waiting(uid)
        if entry is not None and entry.is_stored:
            lines = [_line(line) for line in entry.order.lines]
            return _shown(order_id, "", "queued", entry.order.amount_cents, lines)
        with self._requests.inner():
            found = await self._shards.find(shard, uid, deadline)
        if found is None:
            raise RefusedError("not-found", "there is no such order", 404)
        shown = _shown(
            order_id, found.order_no, _status(found), found.amount_cents, list(found.lines)
        )
        return {**shown, "paid_at": found.paid_at and found.paid_at.isoformat()}

    async def product(self, sku: str, deadline: Deadline) -> dict[str, Any]:
        """What is left of it, over all shards, and its price."""
        with self._requests.inner():
            found = await self._gate.product(sku, deadline) if is_sku(sku) else None
        if found is None:
            raise RefusedError("not-found", "there is no such product", 404)
        available, price_cents = found
        return {"sku": sku, "available": available, "price_cents": price_cents}


def _status(found: StoredOrder) -> str:
    return found.state if found.state != "placed" else STATUSES.get(found.status, str(found.status))


def _shown(
    order_id: str, order_no: str, status: str, amount_cents: int, lines: list[Any]
) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "order_no": order_no or None,
        "status": status,
        "amount_cents": amount_cents,
        "lines": lines,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "sku": line.sku,
        "quantity": line.quantity,
        "unit_price_cents": line.unit_price_cents,
    }
