"""Payments against the callbacks that were sent: each pays one order once, with the right amount."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from flashdrill.audit.finding import Wrong, conclude, lacking
from flashdrill.audit.orders import PLACED, by_id
from flashdrill.model.op import NOT_SENT, Op, Outcome
from flashdrill.model.reads import FinalReads, PaymentRow
from flashdrill.model.result import Invariant

PAY_CALLBACK = "pay_callback"
PAID_STATUSES = frozenset({20, 30, 40, 50, 70, 80})
"""Paid, shipped, delivered, completed, refunding, refunded."""


def paid_once(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """Each acknowledged callback is recorded once, for its order and amount; nothing else is paid.

    Deliveries of one transaction (doubles, repeats) are one payment, acknowledged when any of them is.
    """
    deliveries: dict[str, list[Op]] = defaultdict(list)
    for op in ops:
        if op.kind == PAY_CALLBACK:
            deliveries[op.transaction_id].append(op)
    acknowledged = [
        next(op for op in sent if op.outcome is Outcome.OK)
        for sent in deliveries.values()
        if any(op.outcome is Outcome.OK for op in sent)
    ]
    return conclude(
        "paid-once",
        f"each of the {len(acknowledged)} acknowledged payments is recorded once, and nothing else is paid",
        f"{len(acknowledged)} acknowledged of {len(deliveries)} sent, {len(reads.payments)} recorded",
        (
            *_unrecorded(acknowledged, reads.payments),
            *_unasked(
                deliveries,
                [p for p in reads.payments if p.transaction_id not in reads.earlier_payments],
            ),
            *_misapplied(reads),
        ),
        unknown=lacking(ops, reads),
    )


def _unrecorded(acknowledged: Sequence[Op], payments: Sequence[PaymentRow]) -> Iterator[Wrong]:
    rows: dict[str, list[PaymentRow]] = defaultdict(list)
    for row in payments:
        rows[row.transaction_id].append(row)
    for op in acknowledged:
        found = rows.get(op.transaction_id, [])
        if len(found) != 1:
            what = f"payment {op.transaction_id} acknowledged, recorded {len(found)} times"
            yield Wrong(op.order_id, what)
        elif (found[0].order_id, found[0].amount_cents) != (op.order_id, op.amount_cents):
            what = f"{op.amount_cents} cents sent, {found[0].amount_cents} recorded for {found[0].order_id}"
            yield Wrong(op.order_id, what)


def _unasked(
    deliveries: Mapping[str, Sequence[Op]], payments: Sequence[PaymentRow]
) -> Iterator[Wrong]:
    for row in payments:
        sent = [op for op in deliveries.get(row.transaction_id, ()) if op.sent_ns != NOT_SENT]
        if not sent:
            yield Wrong(
                row.order_id, f"payment {row.transaction_id} recorded, no callback was sent"
            )
        elif all(op.outcome is Outcome.FAIL for op in sent):
            what = f"payment {row.transaction_id} recorded, though {sent[-1].reason} was answered as definite"
            yield Wrong(row.order_id, what)


def _misapplied(reads: FinalReads) -> Iterator[Wrong]:
    orders = by_id(reads.orders)
    paid: dict[str, list[PaymentRow]] = defaultdict(list)
    for payment in reads.payments:
        paid[payment.order_id].append(payment)
    for order_id, payments in paid.items():
        if len(payments) > 1:
            yield Wrong(order_id, f"paid {len(payments)} times")
        if order_id not in orders:
            yield Wrong(order_id, "paid, but there is no such order")
    for row in reads.orders:
        received = paid.get(row.order_id, [])
        tells_status = reads.gives("orders.status")
        if row.status in PAID_STATUSES and not received:
            yield Wrong(row.order_id, f"has status {row.status} without a payment")
        elif tells_status and received and row.state == PLACED and row.status not in PAID_STATUSES:
            yield Wrong(row.order_id, f"is paid, but has status {row.status}")
        elif reads.gives("orders.amount_cents") and any(
            payment.amount_cents != row.amount_cents for payment in received
        ):
            what = f"worth {row.amount_cents} cents, paid {received[0].amount_cents}"
            yield Wrong(row.order_id, what)
