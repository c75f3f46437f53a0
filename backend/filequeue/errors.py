"""What a file queue refuses, and how it fails.

FileQueueError         is_definite
├── QueueFullError     True    nothing was written
├── QueueFailedError   False for the group that failed (its records may be on disk), True for every later append
├── QueueLockedError   True    another process has it open
└── CorruptQueueError  True    a record on disk is not what was written; nothing is skipped
"""

from __future__ import annotations

from pathlib import Path


class FileQueueError(Exception):
    """The root; `is_definite` says that the refused append certainly did not happen."""

    is_definite = True


class QueueFullError(FileQueueError):
    """As many records are waiting as the queue may hold; nothing was written."""


class QueueFailedError(FileQueueError):
    """A write or a sync failed, or the queue is closed; it takes nothing more until it is opened anew.

    After a failed fsync the kernel may have dropped the pages and will report success the next time, so it is
    never retried.
    """

    def __init__(self, message: str, *, is_definite: bool) -> None:
        super().__init__(message)
        self.is_definite = is_definite


class QueueLockedError(FileQueueError):
    """Another process has the queue open."""


class CorruptQueueError(FileQueueError):
    """A file is not what was written: `path`, `offset` in bytes, and what was found there."""

    def __init__(self, path: Path, offset: int, found: str) -> None:
        super().__init__(
            f"{path} at byte {offset}: {found}. Nothing was skipped or changed: "
            "restore the file, or move the folder away and take its orders in again by hand"
        )
        self.path = path
        self.offset = offset
