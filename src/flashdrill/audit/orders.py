"""Orders against what customers were told: none lost, none made of nothing, none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flashdrill.audit.finding import Wrong, conclude, lacking
from flashdrill.audit.intents import Intent, intents
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads, OrderRow
from flashdrill.model.result import Invariant

PLACED = "placed"
COMPENSATED = "compensated"
TERMINAL = frozenset({PLACED, COMPENSATED})


def by_key(reads: FinalReads) -> dict[tuple[str, str], list[OrderRow]]:
    """The order rows of each owner (`FinalReads.owner`); more than one is a double order."""
    rows: dict[tuple[str, str], list[OrderRow]] = {}
    for row in reads.orders:
        rows.setdefault(reads.owner(row.user_id, row.key), []).append(row)
    return rows


def by_id(orders: Sequence[OrderRow]) -> dict[str, list[OrderRow]]:
    """The order rows of each id; more than one is a broken identity."""
    rows: dict[str, list[OrderRow]] = {}
    for row in orders:
        rows.setdefault(row.order_id, []).append(row)
    return rows


def no_acknowledged_order_lost(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """Every order answered 201 or 202 is on a shard, as the customer's; a 201 is there as placed.

    With records left in the durable queue an order answered 202 may be one of them: that is not called lost
    (`queue-drained` says what is wrong), as long as no more are missing than wait.
    """
    wanted = [intent for intent in intents(ops) if intent.acknowledged]
    ids, keys = by_id(reads.orders), by_key(reads)
    nameless = [intent for intent in wanted if not _can_be_found(intent, reads)]
    named = [intent for intent in wanted if _can_be_found(intent, reads)]
    wrongs = [wrong for intent in named for wrong in _lost(intent, ids, keys, reads)]
    return conclude(
        "no-acknowledged-order-lost",
        f"each of the {len(wanted)} acknowledged orders is recorded on a shard",
        f"{len(wanted)} acknowledged, {len(reads.orders)} recorded",
        wrongs,
        unknown=lacking(ops, reads)
        or _waiting(wrongs, reads)
        or ("" if wrongs else _unnamed(nameless)),
    )


def _can_be_found(intent: Intent, reads: FinalReads) -> bool:
    """Whether its order can be looked for: by the id that was told, or by a key that is read."""
    return bool(intent.order_ids or (intent.wanted.key and reads.gives("orders.key")))


def _unnamed(nameless: Sequence[Intent]) -> str:
    """Why orders cannot be looked for, or empty."""
    if not nameless:
        return ""
    return f"{len(nameless)} acknowledged orders were told no id, and have no key that is read"


def _waiting(wrongs: Sequence[Wrong], reads: FinalReads) -> str:
    """Why missing orders cannot be called lost: as many records are still in the queues. Or empty."""
    left = reads.queue_depth or 0
    if not wrongs or len(wrongs) > left or not all(wrong.may_still_wait for wrong in wrongs):
        return ""
    return f"{len(wrongs)} orders answered 202 are on no shard yet, and {left} records still wait in the queues"


def _lost(
    intent: Intent,
    ids: dict[str, list[OrderRow]],
    keys: dict[tuple[str, str], list[OrderRow]],
    reads: FinalReads,
) -> Iterator[Wrong]:
    owner = reads.owner(intent.user_id, intent.key)
    answer = "201" if intent.was_placed else "202"
    where = "no shard has it" if reads.shards > 1 else "it is not recorded"
    if not intent.order_ids and owner not in keys:
        yield Wrong(intent.label, f"answered {answer}, {where}", not intent.was_placed)
    for order_id in sorted(intent.order_ids):
        rows = ids.get(order_id, [])
        if not rows:
            yield Wrong(order_id, f"answered {answer}, {where}", not intent.was_placed)
        elif all(not _is_owners(row, intent, reads) for row in rows):
            yield Wrong(order_id, f"told to {intent.user_id}, recorded for {rows[0].user_id}")
        elif intent.was_placed and all(row.state == COMPENSATED for row in rows):
            yield Wrong(order_id, "answered 201, ended compensated")


def _is_owners(row: OrderRow, intent: Intent, reads: FinalReads) -> bool:
    """Whether what the row says of its owner is what the customer was; a read may say nothing of it."""
    is_users = row.user_id == intent.user_id or not reads.gives("orders.user_id")
    tells_key = intent.wanted.key and reads.gives("orders.key")
    return is_users and (row.key == intent.key or not tells_key)


def no_failed_operation_has_an_order(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """No order exists for a key of which every operation was answered that it certainly did not happen."""
    refuted = [intent for intent in intents(ops) if intent.is_refuted]
    keys = by_key(reads)
    return conclude(
        "no-failed-operation-has-an-order",
        f"none of the {len(refuted)} keys that definitely failed or were refused has an order",
        f"{len(refuted)} such keys looked up in {len(reads.orders)} orders",
        (
            Wrong(row.order_id, f"exists, though {intent.ops[-1].reason} was answered as definite")
            for intent in refuted
            for row in keys.get(reads.owner(intent.user_id, intent.key), [])
        ),
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def one_order_per_key(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """At most one order per user and idempotency key, on all shards and in what customers were told."""
    wanted = intents(ops)
    keys = by_key(reads)
    return conclude(
        "one-order-per-key",
        f"at most one order for each of the {len(wanted)} keys",
        f"{len(reads.orders)} orders under {len(keys)} keys",
        (*_recorded_twice(keys), *_told_twice(wanted)),
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def _recorded_twice(keys: dict[tuple[str, str], list[OrderRow]]) -> Iterator[Wrong]:
    for (user, key), rows in keys.items():
        for row in rows[1:]:
            what = (
                f"order {len(rows)} times for user {user} and key {key}, beside {rows[0].order_id}"
            )
            yield Wrong(row.order_id, what)


def _told_twice(wanted: Sequence[Intent]) -> Iterator[Wrong]:
    for intent in wanted:
        if len(intent.order_ids) > 1:
            told = sorted(intent.order_ids)
            yield Wrong(told[1], f"told for key {intent.key} beside {told[0]}")


def ids_unique(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """No order id and no order number appears twice, over all shards."""
    ids = Counter(row.order_id for row in reads.orders)
    numbers = Counter(row.order_no for row in reads.orders if row.order_no)
    unnumbered = [
        row
        for row in reads.orders
        if not row.order_no and row.state == PLACED and reads.gives("orders.order_no")
    ]
    wrongs = (
        *(Wrong(order_id, f"is the id of {n} orders") for order_id, n in ids.items() if n > 1),
        *(Wrong(number, f"is the number of {n} orders") for number, n in numbers.items() if n > 1),
        *(Wrong(row.order_id, "has no number") for row in unnumbered),
    )
    return conclude(
        "ids-unique",
        "each order id and each order number belongs to one order, over all shards",
        f"{len(ids)} ids and {len(numbers)} numbers on {len(reads.orders)} orders",
        wrongs,
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def queued_orders_terminal(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """Every order answered 202 ended placed or compensated, and no recorded order is in between."""
    queued = [intent for intent in intents(ops) if intent.was_queued]
    keys = by_key(reads)
    states = Counter(
        row.state
        for intent in queued
        for row in keys.get(reads.owner(intent.user_id, intent.key), [])
    )
    return conclude(
        "queued-orders-terminal",
        f"each of the {len(queued)} orders answered 202 ends placed or compensated",
        f"{states[PLACED]} placed, {states[COMPENSATED]} compensated of {len(queued)} queued",
        (*_unsettled(queued, keys, reads), *_in_between(reads.orders)),
        unknown=lacking(ops, reads),
    )


def _unsettled(
    queued: Sequence[Intent], keys: dict[tuple[str, str], list[OrderRow]], reads: FinalReads
) -> Iterator[Wrong]:
    for intent in queued:
        if not keys.get(reads.owner(intent.user_id, intent.key)):
            yield Wrong(intent.label, "answered 202, has no recorded end")


def _in_between(orders: Sequence[OrderRow]) -> Iterator[Wrong]:
    for row in orders:
        if row.state not in TERMINAL:
            yield Wrong(row.order_id, f"is in state {row.state!r}")
