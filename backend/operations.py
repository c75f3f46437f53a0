"""What can be asked of the service, and every answer it may get: the table behind the routes and their document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from backend import pay, place
from backend.answers import (
    Alive,
    Order,
    OrderId,
    OrderStatus,
    Payment,
    PaymentResult,
    PlacedOrder,
    Product,
    QueuedOrder,
    QueuedStatus,
    ReadinessReport,
    ShardState,
)
from backend.orders import Line
from backend.payloads import CallbackRequest, LineRequest, OrderRequest, Sku
from backend.problems import KINDS

Status = tuple[str, int]
"""A problem's slug and the HTTP status with which it is sent."""

PATH_PARAMETERS: Mapping[str, Any] = {"order_id": OrderId, "sku": Sku}


def rows(*slugs: str) -> frozenset[Status]:
    """Problems with the statuses of their rows in the table."""
    return frozenset((slug, KINDS[slug].status) for slug in slugs)


def refusals(table: Iterable[tuple[str, str, int]]) -> frozenset[Status]:
    """What a use case refuses."""
    return frozenset((slug, status) for slug, _, status in table)


UNEXPECTED = rows("internal")
ADMISSION = UNEXPECTED | rows("draining", "overloaded")
BODY = rows("deadline", "validation") | {("validation", status) for status in (400, 413, 415)}
READING_A_SHARD = rows(
    "breaker-open", "pool-exhausted", "shard-unavailable", "deadline", "unknown-commit"
)
WRITING_A_SHARD = READING_A_SHARD | rows("validation")  # data that the shard refuses
GATE = rows("gate-unavailable")


ID, NUMBER, SKU, CENTS = "8c0d8df1d9a9b9b1a9a7f0d3f5c1e2b47f", "DY20260127000892", "demo-1", 1999
PAID_AT = datetime(2026, 1, 27, 2, 0, tzinfo=UTC)
USABLE, GONE = ShardState(True, "closed", 0, 0), ShardState(False, "open", 1, 312)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `name` is the handler in routes.py.

    `takes` and `answers` (the successes, by status) are examples; the type of an example is the type of the body.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, msgspec.Struct | str | dict[str, Any]]  # a text is sent as it is
    problems: frozenset[Status] = frozenset()
    description: str = ""
    takes: msgspec.Struct | None = None
    has_key: bool = False
    is_signed: bool = False
    is_metered: bool = True  # counts as in flight, and is refused while the service drains
    next_steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Operations that take what this one gives: OpenAPI links by the operation's name."""


OPERATIONS = (
    Operation(
        name="place_order",
        method="POST",
        path="/orders",
        summary="Place an order",
        description="All lines or none. Sent again with its key, an order is answered as it was the first time; after"
        " an answer that is not definite, that is the way to learn what became of it.",
        takes=OrderRequest("DY", "customer-1", (LineRequest(SKU, 1),), CENTS),
        has_key=True,
        answers={
            201: PlacedOrder(ID, "placed", NUMBER),
            202: QueuedOrder(ID, QueuedStatus.QUEUED),
        },
        problems=ADMISSION
        | BODY
        | refusals(place.REFUSALS.values())
        | GATE
        | WRITING_A_SHARD
        | rows("queue-full"),
        next_steps={
            "get_order": {"parameters": {"order_id": "$response.body#/order_id"}},
            "payment_callback": {
                "requestBody": {
                    "out_trade_no": "$response.body#/order_id",
                    "amount_cents": "$request.body#/amount_cents",
                }
            },
        },
    ),
    Operation(
        name="payment_callback",
        method="POST",
        path="/payments/callback",
        summary="Tell that an order was paid",
        description="From the payment provider, any number of times; the order is paid once. The signature is checked"
        " before the body is looked at.",
        takes=CallbackRequest(ID, "T-20260127-1", CENTS, PAID_AT),
        is_signed=True,
        answers={200: Payment(PaymentResult.PAID)},
        problems=ADMISSION
        | BODY
        | refusals(pay.REFUSALS.values())
        | WRITING_A_SHARD
        | rows("unauthorized", "order-still-queued", "payment-in-progress"),
    ),
    Operation(
        name="get_order",
        method="GET",
        path="/orders/{order_id}",
        summary="Look an order up",
        description="Its shard is asked, which is the authority.",
        answers={
            200: Order(
                ID, NUMBER, OrderStatus.PAID, CENTS, (Line(SKU, 1, CENTS),), PAID_AT.isoformat()
            )
        },
        problems=ADMISSION | READING_A_SHARD | rows("not-found"),
    ),
    Operation(
        name="get_product",
        method="GET",
        path="/products/{sku}",
        summary="Look a product up",
        description="The gate's counters are asked; the shards have the last word when an order is placed.",
        answers={200: Product(SKU, 998, CENTS)},
        problems=ADMISSION | GATE | rows("not-found"),
    ),
    Operation(
        name="healthz",
        method="GET",
        path="/healthz",
        summary="Whether the process is alive",
        answers={200: Alive("alive")},
        is_metered=False,
    ),
    Operation(
        name="readyz",
        method="GET",
        path="/readyz",
        summary="Whether orders can be taken, and on what",
        answers={
            200: ReadinessReport(True, True, {"shard0": USABLE, "shard1": GONE}),
            503: ReadinessReport(False, False, {"shard0": USABLE, "shard1": GONE}),
        },
        problems=UNEXPECTED | rows("draining"),
        is_metered=False,
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        summary="What is measured, for Prometheus",
        description="The same as on the metrics port.",
        answers={200: "flashdrill_inflight 3.0\n"},
        problems=UNEXPECTED,
        is_metered=False,
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        summary="This document, with the limits of the process that answers",
        answers={200: {}},
        is_metered=False,
    ),
)
UNMETERED = frozenset(operation.path for operation in OPERATIONS if not operation.is_metered)
