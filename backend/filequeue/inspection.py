"""What a queue's folder holds, found without changing a byte of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from backend.filequeue import cursor, segment
from backend.filequeue.cursor import Cursor
from backend.filequeue.errors import CorruptQueueError
from backend.filequeue.files import Files, OsFiles
from backend.filequeue.segment import Position, Scan


@dataclass(frozen=True, slots=True)
class QueueState:
    """`depth` records wait; `next_seq` comes next; all up to `drained_seq` need not come again."""

    depth: int
    next_seq: int
    drained_seq: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A folder's cursor and its segments, oldest first."""

    cursor: Cursor
    scans: tuple[Scan, ...]

    @property
    def next_seq(self) -> int:
        """The sequence number after the last record."""
        return self.scans[-1].next_seq if self.scans else 1

    def waiting(self) -> list[Position]:
        """The records that are not drained, in order."""
        return [p for scan in self.scans for p in scan.positions if p.seq > self.cursor.drained]


def inspect(directory: Path, files: Files | None = None) -> QueueState:
    """The state of a queue that no process has open. A folder that was never opened is an empty queue.

    Raises CorruptQueueError; a torn tail is no error, and is left as it is.
    """
    contents = read_contents(files or OsFiles(), directory)
    drained = contents.cursor.drained
    return QueueState(contents.next_seq - 1 - drained, contents.next_seq, drained)


def read_contents(files: Files, directory: Path) -> Contents:
    """Read the cursor and check every segment; raises CorruptQueueError."""
    names = files.names(directory)
    firsts = sorted(first for name in names if (first := segment.first_seq_of(name)) is not None)
    if cursor.NAME not in names:
        if firsts:
            raise CorruptQueueError(directory / cursor.NAME, 0, "the cursor is missing")
        return Contents(Cursor(), ())
    position = cursor.read(files, directory)
    nexts = [first - 1 for first in firsts[1:]] + [position.synced]
    scans = tuple(
        _scan(files, directory, first, durable)
        for first, durable in zip(firsts, nexts, strict=bool(firsts))
    )
    _check_order(directory, position, scans)
    return Contents(position, scans)


def _scan(files: Files, directory: Path, first_seq: int, durable_seq: int) -> Scan:
    path = directory / segment.name_of(first_seq)
    fd = files.open(path, write=False)
    try:
        return segment.scan(path, files.read(fd, files.size(fd), 0), first_seq, durable_seq)
    finally:
        files.close(fd)


def _check_order(directory: Path, position: Cursor, scans: tuple[Scan, ...]) -> None:
    """Every sequence number from the cursor to the end must be there, once."""
    if not scans:
        if position.synced:
            raise CorruptQueueError(directory, 0, f"records to {position.synced} are missing")
        return
    if scans[0].first_seq > position.drained + 1:
        found = f"records {position.drained + 1} to {scans[0].first_seq - 1} are missing"
        raise CorruptQueueError(scans[0].path, 0, found)
    for older, newer in pairwise(scans):
        if older.next_seq != newer.first_seq:
            found = f"record {older.next_seq - 1} stands in two segments"
            raise CorruptQueueError(newer.path, 0, found)
