"""Units, not orders: nothing sold that was not there, and every unit accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from flashdrill.audit.finding import Wrong, conclude, lacking
from flashdrill.audit.intents import Intent, intents
from flashdrill.audit.orders import PLACED, by_key
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads, LineRow
from flashdrill.model.result import Invariant


def sold_lines(reads: FinalReads) -> Iterator[LineRow]:
    """The lines of placed orders; a compensated order has sold nothing."""
    if not reads.gives("orders.order_id"):
        return iter(reads.lines)
    placed = {(row.shard, row.order_id) for row in reads.orders if row.state == PLACED}
    return (line for line in reads.lines if (line.shard, line.order_id) in placed)


def sold_within_stock(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """Sold units are at most the stock, for each product as a whole and for each shard's slice of it."""
    sold, stock = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for line in sold_lines(reads):
        sold.update(dict.fromkeys(_counts(line.sku, line.shard, reads), line.quantity))
    for row in reads.stock:
        stock.update(dict.fromkeys(_counts(row.sku, row.shard, reads), row.initial))
    total = sum(units for (_, shard), units in sold.items() if not shard)
    everything = sum(units for (_, shard), units in stock.items() if not shard)
    oversold = list(_oversold(sold, stock))
    return conclude(
        "sold-within-stock",
        f"of each product at most its stock is sold, in all and per shard ({everything} units in all)"
        if reads.shards > 1
        else f"of each product at most its stock is sold ({everything} units in all)",
        f"{total} units sold of {everything}{_counted(reads)}",
        (*oversold, *_oversold_by_its_own_count(reads, {wrong.id for wrong in oversold})),
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def _counts(sku: str, shard: int, reads: FinalReads) -> Iterator[tuple[str, str]]:
    """What a number of units is counted for: the product as a whole and, where there are several, the shard's slice."""
    yield sku, ""
    if reads.shards > 1:
        yield sku, f"shard{shard}"


def _counted(reads: FinalReads) -> str:
    """What the stock says itself, where it does."""
    counts = [row.sold for row in reads.stock if row.sold is not None]
    if not counts:
        return ""
    return f", {sum(counts)} by the stock's own count"


def _oversold_by_its_own_count(reads: FinalReads, known: Collection[str]) -> Iterator[Wrong]:
    """Of what is not known to be oversold by its lines."""
    for row in reads.stock:
        if row.sold is not None and row.sold > row.initial and row.sku not in known:
            yield Wrong(row.sku, f"{row.sold} sold of {row.initial} by the stock's own count")


def _oversold(
    sold: Mapping[tuple[str, str], int], stock: Mapping[tuple[str, str], int]
) -> Iterator[Wrong]:
    for (sku, shard), units in sorted(sold.items()):
        limit = stock.get((sku, shard), 0)
        if units > limit:
            where = f" on {shard}" if shard else ""
            yield Wrong(f"{sku}{f'@{shard}' if shard else ''}", f"{units} sold{where} of {limit}")


def confirmed_sold_info(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """In units of each product: confirmed ≤ sold ≤ confirmed + unknown; each key counts once.

    Confirmed are the units answered 201, and those answered 202 whose order ended placed.
    """
    confirmed, possible = _promised(intents(ops), reads)
    sold = Counter[str]()
    for line in sold_lines(reads):
        if line.order_id not in reads.earlier_orders:
            sold[line.sku] += line.quantity
    return conclude(
        "confirmed-sold-info",
        "units confirmed ≤ units sold ≤ units confirmed + units of unknown operations, per product",
        f"{confirmed.total()} confirmed, {sold.total()} sold, {possible.total()} unknown",
        _unbalanced(confirmed, sold, possible),
        unknown=lacking(ops, reads),
    )


def _promised(wanted: Iterable[Intent], reads: FinalReads) -> tuple[Counter[str], Counter[str]]:
    """Units that must be sold, and units that may be, by product."""
    keys = by_key(reads)
    confirmed, possible = Counter[str](), Counter[str]()
    for intent in wanted:
        rows = keys.get(reads.owner(intent.user_id, intent.key), [])
        is_settled = intent.was_placed or any(row.state == PLACED for row in rows)
        if intent.acknowledged and is_settled:
            confirmed[intent.wanted.sku] += intent.wanted.quantity
        elif intent.is_unknown:
            possible[intent.wanted.sku] += intent.wanted.quantity
    return confirmed, possible


def _unbalanced(
    confirmed: Counter[str], sold: Counter[str], possible: Counter[str]
) -> Iterator[Wrong]:
    for sku in sorted({*confirmed, *sold}):
        if not confirmed[sku] <= sold[sku] <= confirmed[sku] + possible[sku]:
            what = f"{confirmed[sku]} confirmed, {sold[sku]} sold, {possible[sku]} unknown"
            yield Wrong(sku, what)


def no_negative_counts(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """No stock, amount or quantity is below zero (a quantity is at least one)."""
    slices = ((f"{row.sku}{reads.place(row.shard)}", row) for row in reads.stock)
    wrongs = (
        *(
            Wrong(name, f"{row.available} available of {row.initial}")
            for name, row in slices
            if min(row.available or 0, row.initial) < 0
        ),
        *(
            _bad_line(line)
            for line in reads.lines
            if line.quantity < 1 or line.unit_price_cents < 0
        ),
        *(
            Wrong(m.order_id, f"{m.kind} {m.amount_cents} cents")
            for m in reads.money
            if m.amount_cents < 0
        ),
        *(
            Wrong(o.order_id, f"amount {o.amount_cents} cents")
            for o in reads.orders
            if o.amount_cents < 0
        ),
        *(
            Wrong(p.order_id, f"paid {p.amount_cents} cents")
            for p in reads.payments
            if p.amount_cents < 0
        ),
    )
    return conclude(
        "no-negative-counts",
        "no stock, quantity or amount is below zero",
        f"{len(reads.stock)} stock slices, {len(reads.lines)} lines, {len(reads.money)} amounts looked at",
        wrongs,
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def _bad_line(line: LineRow) -> Wrong:
    return Wrong(line.order_id, f"{line.quantity} of {line.sku} at {line.unit_price_cents} cents")


def stock_ledger_balances(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """Initial + Σ movements = available for each slice; each placed order moved exactly its lines."""
    return conclude(
        "stock-ledger-balances",
        "initial stock plus all movements is what is available, and each placed order moved its units once",
        f"{len(reads.movements)} movements over {len(reads.stock)} stock slices",
        (*_slices_off(reads), *_orders_off(reads)),
        unknown=lacking(ops, reads),
    )


def _slices_off(reads: FinalReads) -> Iterator[Wrong]:
    moved = Counter[tuple[int, str]]()
    for movement in reads.movements:
        moved[movement.shard, movement.sku] += movement.delta
    for row in reads.stock:
        delta = moved.pop((row.shard, row.sku), 0)
        if row.initial + delta != row.available:
            what = f"{row.initial} initial, {delta:+d} moved, {row.available} available"
            yield Wrong(f"{row.sku}{reads.place(row.shard)}", what)
    for (shard, sku), delta in moved.items():
        yield Wrong(
            f"{sku}{reads.place(shard)}", f"{delta:+d} moved in a slice that does not exist"
        )


def _orders_off(reads: FinalReads) -> Iterator[Wrong]:
    due, moved = Counter[tuple[int, str, str]](), Counter[tuple[int, str, str]]()
    for line in sold_lines(reads):
        due[line.shard, line.order_id, line.sku] -= line.quantity
    for movement in reads.movements:
        if movement.order_id:
            moved[movement.shard, movement.order_id, movement.sku] += movement.delta
    for place in sorted({*due, *moved}):
        if due[place] != moved[place]:
            what = f"{moved[place]:+d} units of {place[2]} moved, {due[place]:+d} due"
            yield Wrong(place[1], what)
