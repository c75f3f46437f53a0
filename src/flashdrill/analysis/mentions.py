"""Everything in a run's history that is about one id: an order, a key, a product, a transaction, a customer."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

ID_COLUMNS = ("order_id", "key", "sku", "transaction_id", "user_id")


def mentions(ops: pa.Table, wanted: str) -> pa.Table:
    """The operations with this id, and those on the same orders and keys, in the order of their due times.

    `sku@shard` (as a checker names a shard's slice of a product) is looked up as the product.
    """
    wanted = wanted.partition("@")[0]
    if not wanted:  # what an operation does not have is empty
        return ops.slice(0, 0)
    direct = ops.filter(_any(ops, {name: {wanted} for name in ID_COLUMNS}))
    related = {
        name: {value for value in direct[name].to_pylist() if value} for name in ("order_id", "key")
    }
    found = ops.filter(_any(ops, {**related, **{name: {wanted} for name in ID_COLUMNS[2:]}}))
    return found.sort_by("due_ns")


def _any(ops: pa.Table, values: dict[str, set[str]]) -> pa.ChunkedArray:
    """Which rows have one of the values in its column."""
    masks = [
        pc.is_in(ops[name], value_set=pa.array(sorted(wanted), pa.string()))
        for name, wanted in values.items()
    ]
    return reduce(pc.or_, masks)
