"""The durable queue after the drain: empty, and written down in the order in which it was filled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from flashdrill.audit.finding import NO_OPERATIONS, Wrong, conclude, lacking
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads, OrderRow
from flashdrill.model.result import Invariant


def queue_drained(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """No record is left in the queues."""
    depth = reads.queue_depth
    unknown = "the queues could not be read" if depth is None else ""
    return conclude(
        "queue-drained",
        "0 records are left in the durable queues",
        f"{depth} records are left",
        [Wrong("queue", f"{depth} records are left")] if depth else [],
        unknown=unknown if ops else NO_OPERATIONS,
        more_reads_cannot_heal=True,
    )


def queue_in_order(ops: Sequence[Op], reads: FinalReads) -> Invariant:
    """On each shard the queued orders were written in the order of the queue, each record once."""
    lanes: dict[int, list[OrderRow]] = defaultdict(list)
    for row in reads.orders:
        if row.queue_seq is not None:
            lanes[row.shard].append(row)
    queued = sum(map(len, lanes.values()))
    return conclude(
        "queue-in-order",
        "queued orders are written in the order of the queue, each record once",
        f"{queued} queued orders on {len(lanes)} shards",
        (wrong for lane in lanes.values() for wrong in _out_of_order(lane)),
        unknown=lacking(ops, reads),
        more_reads_cannot_heal=True,
    )


def _out_of_order(lane: Sequence[OrderRow]) -> Iterator[Wrong]:
    ordered = sorted(lane, key=lambda row: (row.queue_seq or 0, row.placed_seq))
    for before, row in pairwise(ordered):
        if row.queue_seq == before.queue_seq:
            yield Wrong(
                row.order_id, f"record {row.queue_seq} was also written as {before.order_id}"
            )
        elif row.placed_seq < before.placed_seq:
            what = f"record {row.queue_seq} was written before record {before.queue_seq}"
            yield Wrong(row.order_id, what)
