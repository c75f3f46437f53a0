"""Operations as an Arrow table: the schema of `ops.parquet`, and the way there and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flashdrill.model.op import Attempt, Op, Outcome

_ATTEMPT = pa.struct(
    [
        ("sent_ns", pa.int64()),
        ("done_ns", pa.int64()),
        ("status", pa.int16()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
    ]
)

OPS_SCHEMA = pa.schema(
    [
        pa.field("op_id", pa.int64()),
        pa.field("kind", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("journey", pa.string()),
        pa.field("is_arrival", pa.bool_()),
        pa.field("process", pa.int64()),
        pa.field("due_ns", pa.int64()),
        pa.field("sent_ns", pa.int64()),
        pa.field("done_ns", pa.int64()),
        pa.field("outcome", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("is_refusal", pa.bool_()),
        pa.field("status", pa.int16()),
        pa.field("attempts", pa.list_(_ATTEMPT)),
        pa.field("key", pa.string()),
        pa.field("order_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("sku", pa.string()),
        pa.field("quantity", pa.int32()),
        pa.field("amount_cents", pa.int64()),
        pa.field("transaction_id", pa.string()),
        pa.field("connection_wait_ns", pa.int64()),
        pa.field("breakdown", pa.string()),
        pa.field("worker", pa.int32()),
    ]
)

_NAMES = list(Op.__struct_fields__)
assert OPS_SCHEMA.names == _NAMES, "the row type and its schema must agree"


def table_from_ops(ops: Iterable[Op]) -> pa.Table:
    """An Arrow table of the operations, one row each, in the order given."""
    columns: dict[str, list[Any]] = {name: [] for name in _NAMES}
    for op in ops:
        for name in _NAMES:
            columns[name].append(getattr(op, name))
    columns["attempts"] = [
        [
            {
                "sent_ns": a.sent_ns,
                "done_ns": a.done_ns,
                "status": a.status,
                "outcome": a.outcome.value,
                "reason": a.reason,
            }
            for a in attempts
        ]
        for attempts in columns["attempts"]
    ]
    columns["outcome"] = [str(outcome) for outcome in columns["outcome"]]
    return pa.Table.from_pydict(columns, schema=OPS_SCHEMA)


def ops_from_table(table: pa.Table) -> Iterator[Op]:
    """The rows of the table as operations."""
    for batch in table.to_batches():
        for row in batch.to_pylist():
            row["outcome"] = Outcome(row["outcome"])
            row["attempts"] = tuple(
                Attempt(**{**a, "outcome": Outcome(a["outcome"])}) for a in row["attempts"]
            )
            yield Op(**row)


def write_ops(table: pa.Table, path: Path) -> None:
    """Write `ops.parquet` (zstd, delta-packed integers)."""
    pq.write_table(table, path, compression="zstd")


def read_ops(path: Path) -> pa.Table:
    """Read `ops.parquet`."""
    return pq.read_table(path, schema=OPS_SCHEMA)
