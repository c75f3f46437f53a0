"""The queue itself: acknowledged means on disk.

The event loop decides (sequence numbers, offsets, groups); one thread of the queue's own does what may block:

    append ─┐                          ┌─> acknowledge the group
    append ─┼─> group ──> [ write, fdatasync ] ──┤
    append ─┘   (next)     one at a time         └─> start the next group
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backend.filequeue import record
from backend.filequeue.cursor import Cursor
from backend.filequeue.errors import QueueFailedError, QueueFullError
from backend.filequeue.files import Files, OsFiles
from backend.filequeue.log import Log
from backend.filequeue.segment import Position

SEGMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What was appended, with its place in the order."""

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Append:
    """An append that waits for its sync."""

    seq: int
    payload: bytes
    done: asyncio.Future[int]

    def settle(self, error: QueueFailedError | None = None) -> None:
        """Answer, unless nobody waits any more."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(self.seq)
        else:
            self.done.set_exception(error)


class FileQueue:
    """A durable, bounded, ordered queue for one event loop; made by `FileQueue.open`."""

    def __init__(
        self, log: Log, *, max_records: int, committing: AbstractContextManager[object]
    ) -> None:
        self._log = log
        self._max_records = max_records
        self._committing = committing
        self._drained = log.cursor.drained
        self._next_seq = log.next_seq
        self._synced = self._next_seq - 1
        self._stored: deque[Position] = deque(log.waiting)  # synced and not drained
        self._waiting: deque[_Append] = deque()  # not yet handed to the thread
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="filequeue")
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._failure: QueueFailedError | None = None

    @classmethod
    def open(
        cls,
        directory: str | Path,
        *,
        max_records: int,
        segment_bytes: int = SEGMENT_BYTES,
        files: Files | None = None,
        committing: AbstractContextManager[object] | None = None,
    ) -> FileQueue:
        """Read, check and, after a crash, repair the folder (made when it is not there). Blocks.

        `committing` is entered while a group is being written and synced (a meter's `holding()`).
        Raises QueueLockedError when another process has it open, CorruptQueueError when a record is not what was
        written, OSError. A torn tail, which was never acknowledged, is cut.
        """
        log = Log.open(files or OsFiles(), Path(directory), segment_bytes)
        return cls(log, max_records=max_records, committing=committing or nullcontext())

    @property
    def depth(self) -> int:
        """How many records wait, those on their way to the disk included."""
        return self._next_seq - 1 - self._drained

    @property
    def next_seq(self) -> int:
        """The number that the next append gets."""
        return self._next_seq

    @property
    def drained_seq(self) -> int:
        """The last record that need not come again; on disk."""
        return self._drained

    @property
    def failure(self) -> QueueFailedError | None:
        """Why nothing is taken any more, or None."""
        return self._failure

    async def append(self, payload: bytes) -> int:
        """Store a record and return its sequence number once it is on disk.

        Raises QueueFullError or QueueFailedError; `is_definite` says whether the record certainly is not stored.
        A cancelled append may be stored all the same.
        """
        self._refuse_unless_fit(payload)
        append = _Append(self._next_seq, payload, asyncio.get_running_loop().create_future())
        self._next_seq += 1
        self._waiting.append(append)
        if self._is_idle.is_set():
            self._is_idle.clear()
            asyncio.get_running_loop().call_soon(self._start_group)  # with who comes in this turn
        return await append.done

    def peek(self, limit: int) -> list[Record]:
        """The oldest records that are not drained, in order, at most `limit`; they stay.

        Raises CorruptQueueError when one is not what was written. Reads from the page cache as a rule.
        """
        positions = [self._stored[i] for i in range(min(limit, len(self._stored)))]
        return [Record(p.seq, self._log.read(p)) for p in positions]

    async def drained(self, through_seq: int) -> None:
        """Remember durably that all records up to `through_seq` need not come again.

        After a crash before this returns they may: who applies them must recognise repeats. Raises ValueError for
        a record that is not stored yet, QueueFailedError.
        """
        if through_seq > self._synced:
            raise ValueError(f"record {through_seq} is not stored; the last one is {self._synced}")
        if through_seq <= self._drained:
            return
        if self._failure is not None:
            raise QueueFailedError(str(self._failure), is_definite=True)
        while self._stored and self._stored[0].seq <= through_seq:
            self._stored.popleft()  # at once: their segment may be deleted before this returns
        await self._advance(through_seq)

    async def close(self) -> None:
        """Wait for the appends under way, then release the files; later appends are refused."""
        failure = self._failure
        if failure is None:
            self._failure = QueueFailedError("the queue is closed", is_definite=True)
            await self._is_idle.wait()
            await self._advance(self._drained)  # vouches for every record
        await self._is_idle.wait()
        self._thread.shutdown(wait=True)
        self._log.close()

    def _refuse_unless_fit(self, payload: bytes) -> None:
        if self._failure is not None:
            raise QueueFailedError(str(self._failure), is_definite=True)
        if self.depth >= self._max_records:
            raise QueueFullError(f"{self.depth} records wait, as many as the queue may hold")
        if len(payload) > self._log.max_payload:
            raise ValueError(f"a record of {len(payload)} bytes does not fit into a segment")

    def _start_group(self) -> None:
        """Hand what waits, as much as fits into one segment, to the thread."""
        if not self._waiting:
            self._is_idle.set()
            return
        group: list[_Append] = []
        frames: list[bytes] = []
        room = self._log.room(record.OVERHEAD + len(self._waiting[0].payload))
        while self._waiting:
            room -= record.OVERHEAD + len(self._waiting[0].payload)
            if room < 0:
                break
            append = self._waiting.popleft()
            group.append(append)
            frames.append(record.frame(append.seq, self._synced, append.payload))
        self._committing.__enter__()
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._thread, self._log.append, group[0].seq, frames)
        job.add_done_callback(partial(self._group_ended, group))

    def _group_ended(self, group: list[_Append], job: asyncio.Future[list[Position]]) -> None:
        """Acknowledge, or fail for good; then the next group."""
        self._committing.__exit__(None, None, None)
        error = job.exception()
        if error is not None:
            self._fail(f"records {group[0].seq} to {group[-1].seq} could not be stored: {error}")
            unknown = QueueFailedError(str(self._failure), is_definite=False)
            unknown.__cause__ = error
            _settle(group, unknown)
        else:
            self._synced = group[-1].seq
            self._stored.extend(job.result())
            _settle(group)
        self._start_group()

    async def _advance(self, through_seq: int) -> None:
        """Write the cursor in the thread; goes on when the caller is cancelled."""
        position = Cursor(through_seq, self._synced)
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._log.advance, position)
        job.add_done_callback(partial(self._advanced, through_seq))
        try:
            await asyncio.shield(job)
        except OSError as error:
            raise QueueFailedError(str(self._failure), is_definite=False) from error

    def _advanced(self, through_seq: int, job: asyncio.Future[None]) -> None:
        error = job.exception()
        if error is None:
            self._drained = max(self._drained, through_seq)
        else:
            self._fail(f"the cursor could not be moved to {through_seq}: {error}")

    def _fail(self, reason: str) -> None:
        """Take nothing more; what was never handed to the thread is certainly not stored."""
        if self._failure is None or self._failure.is_definite:  # a closing queue may still fail
            self._failure = QueueFailedError(reason, is_definite=False)
        waiting = list(self._waiting)
        self._waiting.clear()
        _settle(waiting, QueueFailedError(reason, is_definite=True))


def _settle(group: list[_Append], error: QueueFailedError | None = None) -> None:
    for append in group:
        append.settle(error)
