"""Looking up orders (their shard is the authority) and products (the gate's counters)."""

from __future__ import annotations

from backend.answers import Order, OrderStatus, Product
from backend.deadline import Deadline
from backend.errors import RefusedError
from backend.gate import Gate
from backend.identity import parse_order_id
from backend.lanes import Lane
from backend.meters import Meter
from backend.orders import Line, NewOrder
from backend.payloads import is_sku
from backend.settings import Settings
from backend.shards import Shards, StoredOrder

STATUSES = {
    10: OrderStatus.PENDING_PAYMENT,
    20: OrderStatus.PAID,
    30: OrderStatus.SHIPPED,
    40: OrderStatus.DELIVERED,
    50: OrderStatus.COMPLETED,
    60: OrderStatus.CANCELLED,
    70: OrderStatus.REFUNDING,
    80: OrderStatus.REFUNDED,
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

    async def order(self, order_id: str, deadline: Deadline) -> Order:
        """The order; one that waits in the queue is `queued` and has no number yet."""
        place = parse_order_id(order_id)
        if place is None:
            raise RefusedError("not-found", "there is no such order", 404)
        uid, bucket = place
        shard = self._settings.shard_of(bucket)
        entry = self._lanes[shard].waiting(uid)
        if entry is not None and entry.is_stored:
            return _waiting(order_id, entry.order)
        with self._requests.inner():
            found = await self._shards.find(shard, uid, deadline)
        if found is None:
            raise RefusedError("not-found", "there is no such order", 404)
        return _recorded(order_id, found)

    async def product(self, sku: str, deadline: Deadline) -> Product:
        """What is left of it, over all shards, and its price."""
        with self._requests.inner():
            found = await self._gate.product(sku, deadline) if is_sku(sku) else None
        if found is None:
            raise RefusedError("not-found", "there is no such product", 404)
        available, price_cents = found
        return Product(sku=sku, available=available, price_cents=price_cents)


def _waiting(order_id: str, order: NewOrder) -> Order:
    return Order(
        order_id=order_id,
        order_no=None,
        status=OrderStatus.QUEUED,
        amount_cents=order.amount_cents,
        lines=order.lines,
    )


def _recorded(order_id: str, found: StoredOrder) -> Order:
    is_placed = found.state == "placed"
    return Order(
        order_id=order_id,
        order_no=found.order_no,
        status=STATUSES[found.status] if is_placed else OrderStatus(found.state),
        amount_cents=found.amount_cents,
        lines=tuple(Line(**line) for line in found.lines),
        paid_at=found.paid_at.isoformat() if found.paid_at else None,
    )
