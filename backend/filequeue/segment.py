"""One segment: a preallocated file of records that follow each other without a gap, zeros after the last.

    bytes   0       8           16     32
            MAGIC   first_seq   crc    records ... zeros

The header is on disk before the first record is written; the file's name is its first sequence number.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from backend.filequeue import record
from backend.filequeue.errors import CorruptQueueError

HEADER_SIZE = 32
_MAGIC = b"FDSEG001"
_HEAD = struct.Struct("<8sQ")
_SUFFIX = ".log"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies."""

    seq: int
    segment: int  # the segment's first sequence number
    offset: int
    size: int  # of the whole frame


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds. From `end` to `written` lies a torn tail, if `written` is greater."""

    path: Path
    first_seq: int
    positions: tuple[Position, ...]
    end: int
    written: int
    size: int  # of the file

    @property
    def next_seq(self) -> int:
        """The sequence number after the segment's last."""
        return self.first_seq + len(self.positions)


def name_of(first_seq: int) -> str:
    """The segment's file name."""
    return f"{first_seq:020d}{_SUFFIX}"


def first_seq_of(name: str) -> int | None:
    """The first sequence number that a file name says, or None when it is no segment's."""
    stem = name.removesuffix(_SUFFIX)
    return int(stem) if name.endswith(_SUFFIX) and stem.isdecimal() else None


def header_of(first_seq: int) -> bytes:
    """A segment's first bytes."""
    head = _HEAD.pack(_MAGIC, first_seq)
    return (head + struct.pack("<I", crc32(head))).ljust(HEADER_SIZE, b"\0")


def scan(path: Path, data: bytes, first_seq: int, durable_seq: int) -> Scan:
    """Every record of the segment, up to its end or a torn tail.

    `durable_seq` is the last record that is known to have been on disk. Raises CorruptQueueError when a record
    is damaged or missing that had been synced, or that is damaged without being torn.
    """
    written = len(data.rstrip(b"\0"))
    if data[:HEADER_SIZE] != header_of(first_seq):
        if written > HEADER_SIZE or durable_seq >= first_seq:
            raise CorruptQueueError(path, 0, "the segment's header is damaged")
        return Scan(path, first_seq, (), HEADER_SIZE, written, len(data))
    positions, end = _records(path, data, first_seq)
    seq = first_seq + len(positions)
    if written > end:
        durable_seq = max(durable_seq, record.vouched_after(data, end))
    if seq <= durable_seq:
        raise CorruptQueueError(
            path, end, f"record {seq} was on disk (as was {durable_seq}) and is damaged"
        )
    if written > end and not record.looks_torn(data, end, written):
        raise CorruptQueueError(path, end, f"record {seq} was written to its end and is damaged")
    return Scan(path, first_seq, positions, end, written, len(data))


def _records(path: Path, data: bytes, first_seq: int) -> tuple[tuple[Position, ...], int]:
    """The intact records from the start on, and where the first thing that is none begins."""
    positions: list[Position] = []
    offset, seq = HEADER_SIZE, first_seq
    while (header := record.read_header(data, offset)) is not None:
        if record.payload_of(data, header) is None:
            break
        if header.seq != seq:
            raise CorruptQueueError(path, offset, f"record {header.seq} stands where {seq} should")
        positions.append(Position(seq, first_seq, offset, header.end - offset))
        offset, seq = header.end, seq + 1
    return tuple(positions), offset
