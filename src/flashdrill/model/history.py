"""Operations as an Arrow table: the schema of `ops.parquet`, and the way there and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, chain, islice, starmap
from pathlib import Path
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flashdrill.model.op import NOT_SENT, Attempt, Op, Outcome

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
        pa.field("quantity", pa.int64()),
        pa.field("amount_cents", pa.int64()),
        pa.field("transaction_id", pa.string()),
        pa.field("connection_wait_ns", pa.int64()),
        pa.field("breakdown", pa.string()),
        pa.field("worker", pa.int32()),
        pa.field("first_ns", pa.int64()),
    ]
)

_IN_ATTEMPTS = "attempts.list.element."
_COLUMNS = {
    **{field.name: field.type for field in OPS_SCHEMA if field.name != "attempts"},
    **{_IN_ATTEMPTS + field.name: field.type for field in _ATTEMPT},
}
_RANDOM = {"key", "order_id", "transaction_id"}
_PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "column_encoding": {
        name: "DELTA_BINARY_PACKED" for name, kind in _COLUMNS.items() if pa.types.is_integer(kind)
    },
    "use_dictionary": [
        name for name, kind in _COLUMNS.items() if pa.types.is_string(kind) and name not in _RANDOM
    ],
}

GROUP_ROWS = 50_000
"""Of a group of rows in `ops.parquet`: what a writer holds, and a reader reads at once."""

_NAMES = list(Op.__struct_fields__)
assert OPS_SCHEMA.names == _NAMES, "the row type and its schema must agree"


def table_from_ops(ops: Iterable[Op]) -> pa.Table:
    """An Arrow table of the operations, one row each, in the order given."""
    rows = [msgspec.structs.astuple(op) for op in ops]
    attempts = _NAMES.index("attempts")
    plain = [
        (*row[:attempts], [msgspec.structs.astuple(a) for a in row[attempts]], *row[attempts + 1 :])
        for row in rows
    ]
    return pa.Table.from_batches([batch_from_rows(plain)], OPS_SCHEMA)


def batch_from_rows(rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """A batch of rows whose values stand in the order of `OPS_SCHEMA`; so do those of their attempts."""
    if not rows:
        return pa.RecordBatch.from_pylist([], OPS_SCHEMA)
    columns = dict(zip(_NAMES, zip(*rows, strict=True), strict=True))
    arrays = [
        _attempts(columns[field.name])
        if field.name == "attempts"
        else _array(columns[field.name], field.type)
        for field in OPS_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=OPS_SCHEMA)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A column. Texts that a locustfile gave as something else, such as a number, are written as texts."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        if not pa.types.is_string(kind):
            raise
        return pa.array(["" if value is None else str(value) for value in values], kind)


def _attempts(rows: Sequence[Sequence[Sequence[Any]]]) -> pa.Array:
    flat = list(chain.from_iterable(rows))
    offsets = pa.array([0, *accumulate(map(len, rows))], pa.int32())
    fields = list(_ATTEMPT)
    columns = zip(*flat, strict=True) if flat else ([] for _ in fields)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, fields, strict=True)]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=fields))


class OpsWriter:
    """Writes `ops.parquet` batch by batch; memory is bounded by a row group. Use it with `with`."""

    def __init__(self, path: Path, *, group_rows: int = GROUP_ROWS) -> None:
        self._writer = pq.ParquetWriter(path, OPS_SCHEMA, **_PARQUET)
        self._group_rows = group_rows
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write()
            self._writer.close()
            return
        with suppress(OSError, pa.ArrowException):  # what went wrong first is what is told
            self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take some rows."""
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self.rows += batch.num_rows
        if self._pending_rows >= self._group_rows:
            self._write()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._pending, OPS_SCHEMA)
        self._pending, self._pending_rows = [], 0
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))


def ops_from_table(table: pa.Table) -> Iterator[Op]:
    """The rows of the table as operations. Texts that many of them share are one object."""
    for batch in table.to_batches():
        columns = {field.name: _values(batch.column(field.name)) for field in OPS_SCHEMA}
        columns["outcome"] = map(Outcome, columns["outcome"])
        columns["attempts"] = _attempts_of(batch.column("attempts"))
        for row in zip(*columns.values(), strict=True):
            yield Op(*row)


def _values(column: pa.Array) -> Iterable[Any]:
    if not pa.types.is_string(column.type):
        return () if pa.types.is_list(column.type) else column.to_pylist()
    encoded = column.dictionary_encode(null_encoding="encode")
    texts = encoded.dictionary.to_pylist()
    return [texts[code] for code in encoded.indices.to_pylist()]


def _attempts_of(column: pa.ListArray) -> Iterator[tuple[Attempt, ...]]:
    flat = column.flatten()
    fields = {field.name: _values(flat.field(field.name)) for field in _ATTEMPT}
    fields["outcome"] = map(Outcome, fields["outcome"])
    attempts = starmap(Attempt, zip(*fields.values(), strict=True))
    return (tuple(islice(attempts, count)) for count in pc.list_value_length(column).to_pylist())


def read_ops(path: Path) -> pa.Table:
    """Read `ops.parquet`."""
    return pq.read_table(path, schema=OPS_SCHEMA)


def shifted(batch: pa.RecordBatch, by_ns: int) -> pa.RecordBatch:
    """The same operations by another clock: every time is later by so much; what never was stays so."""
    columns = {name: batch.column(name) for name in OPS_SCHEMA.names}
    for name in ("due_ns", "sent_ns", "done_ns", "first_ns"):
        columns[name] = _later(columns[name], by_ns)
    flat = columns["attempts"].values
    fields = {field.name: flat.field(field.name) for field in _ATTEMPT}
    for name in ("sent_ns", "done_ns"):
        fields[name] = _later(fields[name], by_ns)
    moved = pa.StructArray.from_arrays(list(fields.values()), fields=list(_ATTEMPT))
    columns["attempts"] = pa.ListArray.from_arrays(columns["attempts"].offsets, moved)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=OPS_SCHEMA)


def _later(times_ns: Any, by_ns: int) -> Any:
    never = pc.equal(times_ns, NOT_SENT)
    return pc.if_else(never, times_ns, pc.add(times_ns, pa.scalar(by_ns, pa.int64())))
