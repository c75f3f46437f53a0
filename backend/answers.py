"""Response bodies: what a success looks like, and the source of its schema in the OpenAPI document."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from backend.breakers import STATES
from backend.identity import ORDER_ID
from backend.orders import Line
from backend.payloads import Sku

OrderId = Annotated[
    str,
    Meta(
        pattern=f"^{ORDER_ID.pattern}",
        description="Where the order is kept follows from it; POST /orders gives it.",
        examples=["8c0d8df1d9a9b9b1a9a7f0d3f5c1e2b47f"],
    ),
]
OrderNo = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{2,8}[0-9]{14,}\Z",
        description="Channel, date in Shanghai, sequence. An order has one once a shard has recorded it.",
        examples=["DY20260127000892"],
    ),
]
Units = Annotated[int, Meta(ge=0)]
Amount = Annotated[int, Meta(ge=0)]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root of all: these fields and no others are sent."""


class PlacedOrder(Answer, frozen=True):
    """The order is recorded, and its units are sold to it."""

    order_id: OrderId
    status: Literal["placed"]
    order_no: OrderNo


class QueuedStatus(StrEnum):
    """What became of an order that was acknowledged from the queue."""

    QUEUED = "queued"
    PLACED = "placed"
    COMPENSATED = "compensated"


class QueuedOrder(Answer, frozen=True):
    """The order is durable and will be written; once it is, the same key is answered with the number."""

    order_id: OrderId
    status: QueuedStatus
    order_no: OrderNo | UnsetType = UNSET


class PaymentResult(StrEnum):
    """`paid` for the first delivery, `repeat` for every other one of the same transaction."""

    PAID = "paid"
    REPEAT = "repeat"


class Payment(Answer, frozen=True):
    """The order is paid by this transaction."""

    result: PaymentResult


class OrderStatus(StrEnum):
    """`queued` waits for its shard; `compensated` was recorded without stock; the others are its way through life."""

    QUEUED = "queued"
    COMPENSATED = "compensated"
    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class Order(Answer, frozen=True):
    """An order. One that is queued has no number and no `paid_at` yet."""

    order_id: OrderId
    order_no: OrderNo | None
    status: OrderStatus
    amount_cents: Amount
    lines: tuple[Line, ...]
    paid_at: Moment | UnsetType | None = UNSET


class Product(Answer, frozen=True):
    """What is left of a product over all shards, and its price."""

    sku: Sku
    available: Units
    price_cents: Amount


class Alive(Answer, frozen=True):
    """The process answers."""

    status: Literal["alive"]


class ShardState(Answer, frozen=True):
    """One shard: whether it answers, its breaker, its degradation level and the orders in its queue."""

    usable: bool
    breaker: Annotated[str, Meta(extra_json_schema={"enum": [*STATES]})]
    level: Annotated[int, Meta(ge=0, le=2)]
    queued: Units


class ReadinessReport(Answer, frozen=True):
    """`ready` when Redis answers and at least one shard does; the others' orders are refused or queued."""

    ready: bool
    redis: bool
    shards: dict[str, ShardState]
