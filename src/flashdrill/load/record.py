"""The history on disk while it is being made: frames of operations, each written at once.

    [length, 4 bytes][msgpack: a list of `model.op.Op`, each a list of its fields]

Half a microsecond for an operation; columns are made of it when the run is over. A killed process leaves a torn last
frame at worst; `read_stream` gives everything before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa

from flashdrill.errors import FlashdrillError
from flashdrill.model.history import GROUP_ROWS, OPS_SCHEMA, OpsWriter, batch_from_rows, shifted
from flashdrill.model.op import Op

MAGIC = b"flashdrill ops 1\n"
_LENGTH_BYTES = 4
_ROWS = msgspec.msgpack.Decoder(list[tuple])  # type: ignore[type-arg]


class Recorder:
    """Appends operations to a stream in small frames, so that no write holds the crowd up for long.

    Memory is bounded by `batch_ops`; whoever owns it calls `flush` at least every second.
    Raises OSError when the disk refuses.
    """

    def __init__(self, path: Path, *, batch_ops: int = 128) -> None:
        self._batch_ops = batch_ops
        self._pending: list[Op] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._file = path.open("wb")
        self._file.write(MAGIC)
        self._file.flush()  # a full disk says so now
        self._is_open = True

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
        frame = self._encoder.encode(batch)
        self._file.write(len(frame).to_bytes(_LENGTH_BYTES, "little") + frame)
        self._file.flush()

    def close(self) -> None:
        """Flush and end the stream; harmless when repeated."""
        if not self._is_open:
            return
        self.flush()
        self._is_open = False
        self._file.close()


class NotAHistoryError(FlashdrillError):
    """The file holds something else."""


def read_stream(path: Path) -> pa.Table:
    """Every whole frame of the stream, in order; a torn tail is left out, an empty file has no rows.

    Raises OSError when there is no such file, and NotAHistoryError when it holds something else.
    """
    return pa.Table.from_batches(batches(path), OPS_SCHEMA)


def to_parquet(
    stream: Path,
    target: Path,
    shifts_ns: Mapping[int, int] | None = None,
    *,
    group_rows: int = GROUP_ROWS,
) -> int:
    """Write what `read_stream` would give as `ops.parquet`, in bounded memory; how many operations there are.

    `shifts_ns` has by how much later our clock is than that of a worker elsewhere. Raises OSError, NotAHistoryError.
    """
    with OpsWriter(target, group_rows=group_rows) as writer:
        for batch in batches(stream):
            writer.add(_by_our_clock(batch, shifts_ns) if shifts_ns else batch)
        return writer.rows


def _by_our_clock(batch: pa.RecordBatch, shifts_ns: Mapping[int, int]) -> pa.RecordBatch:
    """A frame is of one worker."""
    by_ns = shifts_ns.get(batch.column("worker")[0].as_py()) if batch.num_rows else None
    return shifted(batch, by_ns) if by_ns else batch


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The frames of the stream, one after the other. Raises OSError, NotAHistoryError."""
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
        if not MAGIC.startswith(magic):
            raise NotAHistoryError(f"{path}: not a history of operations")
        for frame in _frames(file):
            try:
                rows = _ROWS.decode(frame)
            except msgspec.DecodeError:
                raise NotAHistoryError(f"{path}: a damaged history of operations") from None
            yield batch_from_rows(rows)


def _frames(file: BinaryIO) -> Iterator[bytes]:
    while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        length = int.from_bytes(head, "little")
        frame = file.read(length)
        if len(frame) < length:
            return
        yield frame
