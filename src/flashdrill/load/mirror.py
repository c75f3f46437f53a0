"""A growing file of a worker, mirrored on the master's machine: chunks one way, acknowledgements the other.

    Outbox ── chunk {offset, data} ──> Inbox ── writes it where the file ends
           <── ack {offset} ──────────

A chunk's offset is its id: one that comes twice, or after a lost one, changes nothing, and the answer says where to go
on. What has not been sent waits in the worker's file, so memory is bounded by the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 64 * 1024
WINDOW_BYTES = 8 * CHUNK_BYTES
"""So much may be under way without an acknowledgement."""

RESEND_S = 2.0
"""What has not been acknowledged for so long is sent again."""


class Outbox:
    """The worker's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = self._acknowledged = 0
        self._moved_s = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether all that is in the file by now has been acknowledged."""
        return self._acknowledged >= self._size()

    def chunks(self, now_s: float) -> Iterator[tuple[int, bytes]]:
        """What to send now (offset, data): new bytes within the window, or again those that were lost."""
        if self._sent == self._acknowledged:
            self._moved_s = now_s
        elif now_s - self._moved_s > RESEND_S:
            self._sent, self._moved_s = self._acknowledged, now_s
        if self._sent >= self._size():
            return
        with self._path.open("rb") as file:
            while self._sent - self._acknowledged < WINDOW_BYTES:
                file.seek(self._sent)  # an acknowledgement may have come meanwhile
                data = file.read(CHUNK_BYTES)
                if not data:
                    return
                offset, self._sent = self._sent, self._sent + len(data)
                yield offset, data

    def acknowledged(self, offset: int, now_s: float) -> None:
        """The other end has everything before this offset; older words change nothing."""
        if offset > self._acknowledged:
            self._acknowledged, self._moved_s = offset, now_s
            self._sent = max(self._sent, offset)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


class Inbox:
    """The master's end. Raises OSError when the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._size = 0

    def take(self, offset: int, data: bytes) -> int:
        """Write a chunk if it is the next one; how much there is now, to be acknowledged.

        A chunk is written whole or not at all: it will come again.
        """
        if offset != self._size:
            return self._size
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += len(data)
        return self._size

    def close(self) -> None:
        """No more chunks."""
        self._file.close()
