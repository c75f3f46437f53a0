"""The history on disk while it is being made: an Arrow IPC stream of `model.history.OPS_SCHEMA`.

A killed process leaves a torn last batch at worst; `read_stream` gives everything before it.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from flashdrill.model.history import OPS_SCHEMA, table_from_ops
from flashdrill.model.op import Attempt, Op, Outcome


class Recorder:
    """Appends operations to a stream in small batches, so that no write holds the crowd up for long.

    Memory is bounded by `batch_ops`; whoever owns it calls `flush` at least every second.
    Raises OSError when the disk refuses.
    """

    def __init__(self, path: Path, *, batch_ops: int = 128) -> None:
        self._batch_ops = batch_ops
        self._pending: list[Op] = []
        self._file = path.open("wb")
        self._writer = pa.ipc.new_stream(self._file, OPS_SCHEMA)
        self._writer.write_batch(
            pa.RecordBatch.from_pylist([], OPS_SCHEMA)
        )  # a full disk says so now
        self._file.flush()
        self._is_open = True

    def warm_up(self) -> None:
        """Convert one operation and forget it: the first conversion takes 10 ms, best spent before the run."""
        now = Attempt(0, 0, 0, Outcome.INFO, "")
        table_from_ops([Op(0, "", "", "", False, 0, 0, 0, 0, Outcome.INFO, "", False, 0, (now,))])

    def add(self, op: Op) -> None:
        """Take an operation that has ended."""
        self._pending.append(op)
        if len(self._pending) >= self._batch_ops:
            self.flush()

    def flush(self) -> None:
        """Hand what is pending to the operating system: it outlives this process."""
        if not self._pending or not self._is_open:
            return
        batch, self._pending = self._pending, []
        self._writer.write_table(table_from_ops(batch))
        self._file.flush()

    def close(self) -> None:
        """Flush and end the stream; harmless when repeated."""
        if not self._is_open:
            return
        self.flush()
        self._is_open = False
        self._writer.close()
        self._file.close()


def read_stream(path: Path) -> pa.Table:
    """Every whole batch of the stream, in order; a torn tail is left out, an empty file has no rows.

    Raises OSError when there is no such file, and ArrowInvalid when it holds another kind of table.
    """
    batches: list[pa.RecordBatch] = []
    with pa.OSFile(str(path), "rb") as file:
        if file.size() == 0:
            return OPS_SCHEMA.empty_table()
        try:
            reader = pa.ipc.open_stream(file)
        except (pa.ArrowInvalid, OSError):
            return OPS_SCHEMA.empty_table()  # torn within the schema: nothing was recorded
        if not reader.schema.equals(OPS_SCHEMA):
            raise pa.ArrowInvalid(f"{path}: not a history of operations")
        while True:
            try:
                batches.append(reader.read_next_batch())
            except (StopIteration, pa.ArrowInvalid, OSError):
                break
    return pa.Table.from_batches(batches, OPS_SCHEMA)
