"""Money in integer cents: orders, their lines, both ledgers and the payments tell one story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flashdrill.audit.finding import Wrong, conclude, lacking
from flashdrill.audit.orders import PLACED
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import Invariant

Place = tuple[int, str]
"""A shard's number and an order's id."""


def money_ledger_balances(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """A placed order's amount = its lines = its ledger line; payments = ledger lines of kind `payment`."""
    worth = sum(row.amount_cents for row in reads.orders if row.state == PLACED)
    paid = sum(row.amount_cents for row in reads.payments)
    return conclude(
        "money-ledger-balances",
        "each placed order's amount is that of its lines and of one ledger line, and each payment has one",
        f"{worth} cents ordered, {paid} cents paid, {len(reads.money)} ledger lines",
        (*_orders_off(reads), *_payments_off(reads)),
        unknown=lacking(ops, reads),
    )


def _orders_off(reads: FinalReads) -> Iterator[Wrong]:
    lines, booked, entries = Counter[Place](), Counter[Place](), Counter[Place]()
    for line in reads.lines:
        lines[line.shard, line.order_id] += line.quantity * line.unit_price_cents
    for entry in reads.money:
        if entry.kind == "order":
            booked[entry.shard, entry.order_id] += entry.amount_cents
            entries[entry.shard, entry.order_id] += 1
    for row in reads.orders:
        place = (row.shard, row.order_id)
        count, amount = entries.pop(place, 0), booked[place]
        if row.state == PLACED and not (count == 1 and row.amount_cents == lines[place] == amount):
            what = f"amount {row.amount_cents}, lines {lines[place]}, {count} ledger lines of {amount} cents"
            yield Wrong(row.order_id, what)
        elif row.state != PLACED and count:
            yield Wrong(row.order_id, f"{row.state}, yet {amount} cents are in the ledger")
    for (shard, order_id), count in entries.items():
        yield Wrong(
            order_id, f"{count} ledger lines on shard{shard} for an order that is not there"
        )


def _payments_off(reads: FinalReads) -> Iterator[Wrong]:
    paid = Counter((row.shard, row.order_id, row.amount_cents) for row in reads.payments)
    booked = Counter(
        (entry.shard, entry.order_id, entry.amount_cents)
        for entry in reads.money
        if entry.kind == "payment"
    )
    for place in sorted({*paid, *booked}):
        if paid[place] != booked[place]:
            what = f"{paid[place]} payments of {place[2]} cents, {booked[place]} in the ledger"
            yield Wrong(place[1], what)
