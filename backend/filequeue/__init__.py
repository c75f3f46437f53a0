"""A durable queue of records in files: what was acknowledged is on disk, in order.

    append ─> group ─> write ─> fdatasync ─> acknowledged      one group in flight, the next one fills meanwhile
    peek ─> (the caller writes to its database) ─> drained ─> cursor on disk ─> segment deleted

Exactly-once is the database's work: the cursor may lag behind a crash, and then records come again. See
docs/decisions/file-queue-format.md.
"""

from backend.filequeue.errors import (
    CorruptQueueError,
    FileQueueError,
    QueueFailedError,
    QueueFullError,
    QueueLockedError,
)
from backend.filequeue.files import Files, OsFiles
from backend.filequeue.inspection import QueueState, inspect
from backend.filequeue.queue import FileQueue, Record

__all__ = [
    "CorruptQueueError",
    "FileQueue",
    "FileQueueError",
    "Files",
    "OsFiles",
    "QueueFailedError",
    "QueueFullError",
    "QueueLockedError",
    "QueueState",
    "Record",
    "inspect",
]
