"""The segments and the cursor of one folder, for one writer. Blocking; the queue calls it from its thread."""

from __future__ import annotations

from pathlib import Path

from backend.filequeue import cursor, record, segment
from backend.filequeue.cursor import Cursor
from backend.filequeue.errors import CorruptQueueError, QueueLockedError
from backend.filequeue.files import Files
from backend.filequeue.inspection import Contents, read_contents
from backend.filequeue.segment import Position, Scan

LOCK = "lock"


class Log:
    """An open folder. `append` and `advance` are called by one thread, one at a time; `read` by another."""

    def __init__(
        self, files: Files, directory: Path, segment_bytes: int, lock: int, contents: Contents
    ) -> None:
        self.cursor = contents.cursor
        self.next_seq = contents.next_seq
        self.waiting = contents.waiting()
        self._files = files
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = lock
        self._firsts = [scan.first_seq for scan in contents.scans]
        self._tail = -1  # descriptor of the segment that is written
        self._end = self._size = 0
        self._reader = -1  # descriptor of the segment that is read
        self._reading = 0  # its first sequence number

    @classmethod
    def open(cls, files: Files, directory: Path, segment_bytes: int) -> Log:
        """Lock, check and repair. Raises QueueLockedError, CorruptQueueError, OSError."""
        files.make_directory(directory)
        try:
            lock = files.lock(directory / LOCK)
        except BlockingIOError as error:
            raise QueueLockedError(f"another process has {directory} open") from error
        try:
            contents = read_contents(files, directory)
            log = cls(files, directory, segment_bytes, lock, contents)
            log._prepare(contents)
        except BaseException:
            files.close(lock)
            raise
        return log

    @property
    def max_payload(self) -> int:
        """The bytes of the longest record that a segment can hold."""
        return self._segment_bytes - segment.HEADER_SIZE - record.OVERHEAD

    def room(self, size: int) -> int:
        """How many bytes the segment takes into which a frame of `size` bytes would go."""
        left = self._size - self._end
        return left if size <= left else self._segment_bytes - segment.HEADER_SIZE

    def append(self, first_seq: int, frames: list[bytes]) -> list[Position]:
        """Write frames that fit into one segment; they are on disk when this returns."""
        if len(frames[0]) > self._size - self._end:
            self._files.close(self._tail)
            self._tail = -1
            self._create(first_seq)
        self._files.write(self._tail, b"".join(frames), self._end)
        self._files.fdatasync(self._tail)
        return self._take(first_seq, frames)

    def advance(self, position: Cursor) -> None:
        """Put the cursor on disk, then delete the segments whose records are all drained."""
        cursor.write(self._files, self._directory, position)
        while len(self._firsts) > 1 and self._firsts[1] <= position.drained + 1:
            self._files.remove(self._path(self._firsts[0]))
            del self._firsts[0]

    def read(self, position: Position) -> bytes:
        """The payload at a position, checked again. Raises CorruptQueueError."""
        if self._reading != position.segment:
            self._close_reader()
            self._reader = self._files.open(self._path(position.segment), write=False)
            self._reading = position.segment
        data = self._files.read(self._reader, position.size, position.offset)
        header = record.read_header(data, 0)
        payload = record.payload_of(data, header) if header is not None else None
        if header is None or payload is None or header.seq != position.seq:
            path = self._path(position.segment)
            raise CorruptQueueError(path, position.offset, f"record {position.seq} is damaged")
        return payload

    def close(self) -> None:
        """Give the files and the lock back; a second time does nothing."""
        self._close_reader()
        if self._tail >= 0:
            self._files.close(self._tail)
        if self._lock >= 0:
            self._files.close(self._lock)
        self._tail = self._lock = -1

    def _prepare(self, contents: Contents) -> None:
        """Make a new folder's files, or open the last segment for writing and cut a torn tail."""
        if contents.scans:
            self._reopen(contents.scans[-1])
            return
        cursor.write(self._files, self._directory, self.cursor)
        self._create(self.next_seq)

    def _reopen(self, scan: Scan) -> None:
        """Take over what the last process wrote, synced or not, and cut a torn tail.

        All of it is written again before the sync: pages whose sync had failed are still read as they were
        written, but count as clean, and a sync alone would leave them out.
        """
        self._tail = self._files.open(scan.path)
        self._size, self._end = max(scan.size, self._segment_bytes), scan.end
        self._files.allocate(self._tail, self._size)
        records = self._files.read(self._tail, scan.end, 0)[segment.HEADER_SIZE :]
        torn = bytes(max(0, scan.written - scan.end))
        self._files.write(self._tail, segment.header_of(scan.first_seq) + records + torn, 0)
        self._files.fdatasync(self._tail)
        self._files.sync_directory(self._directory)

    def _create(self, first_seq: int) -> None:
        """A new segment; it and its name are on disk before the first record is written."""
        self._tail = self._files.open(self._path(first_seq), create=True)
        self._files.allocate(self._tail, self._segment_bytes)
        self._files.write(self._tail, segment.header_of(first_seq), 0)
        self._files.fdatasync(self._tail)
        self._files.sync_directory(self._directory)
        self._end, self._size = segment.HEADER_SIZE, self._segment_bytes
        self._firsts.append(first_seq)

    def _take(self, first_seq: int, frames: list[bytes]) -> list[Position]:
        """Where the frames lie that were just written."""
        positions = []
        for seq, frame in enumerate(frames, first_seq):
            positions.append(Position(seq, self._firsts[-1], self._end, len(frame)))
            self._end += len(frame)
        return positions

    def _path(self, first_seq: int) -> Path:
        return self._directory / segment.name_of(first_seq)

    def _close_reader(self) -> None:
        if self._reader >= 0:
            self._files.close(self._reader)
        self._reader, self._reading = -1, 0
