"""Every file operation of the queue, in one place where a test can record it or make it fail."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """What the queue asks of the operating system. Every method may raise OSError."""

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        """A descriptor; `create` makes an empty file and refuses an existing one."""

    def allocate(self, fd: int, size: int) -> None:
        """Give the file `size` bytes of disk, reading as zeros; ENOSPC now rather than later."""

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of it."""

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file."""

    def size(self, fd: int) -> int:
        """The file's length."""

    def fdatasync(self, fd: int) -> None:
        """Return when what was written is on disk."""

    def sync_directory(self, path: Path) -> None:
        """Return when creations, renames and removals in the folder are on disk."""

    def lock(self, path: Path) -> int:
        """A descriptor that holds an exclusive lock until closed; BlockingIOError when it is taken."""

    def replace(self, source: Path, target: Path) -> None:
        """Rename over an existing file, atomically."""

    def remove(self, path: Path) -> None:
        """Delete a file."""

    def names(self, path: Path) -> list[str]:
        """The folder's entries, sorted; none when there is no such folder."""

    def make_directory(self, path: Path) -> None:
        """Make a folder, if it is not there; it is on disk when this returns."""

    def close(self, fd: int) -> None:
        """Give the descriptor back."""


class OsFiles:
    """The operating system's files."""

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        """A descriptor; `create` makes an empty file and refuses an existing one."""
        flags = os.O_RDWR if write else os.O_RDONLY
        return os.open(path, flags | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)

    def allocate(self, fd: int, size: int) -> None:
        """Give the file `size` bytes of disk, reading as zeros."""
        os.posix_fallocate(fd, 0, size)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            if written == 0:
                raise OSError(errno.EIO, "nothing was written")
            view, offset = view[written:], offset + written

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file."""
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(fd, size, offset)):
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def size(self, fd: int) -> int:
        """The file's length."""
        return os.fstat(fd).st_size

    def fdatasync(self, fd: int) -> None:
        """Return when what was written is on disk."""
        os.fdatasync(fd)

    def sync_directory(self, path: Path) -> None:
        """Return when creations, renames and removals in the folder are on disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: Path) -> int:
        """A descriptor that holds an exclusive lock until closed."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd

    def replace(self, source: Path, target: Path) -> None:
        """Rename over an existing file, atomically."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink(missing_ok=True)

    def names(self, path: Path) -> list[str]:
        """The folder's entries, sorted; none when there is no such folder."""
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def make_directory(self, path: Path) -> None:
        """Make a folder, if it is not there; it is on disk when this returns."""
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            self.sync_directory(path.parent)

    def close(self, fd: int) -> None:
        """Give the descriptor back."""
        os.close(fd)
