"""File systems of ours: mounted for a fault, unmounted with the stack. Standard library only: the guardian uses it."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_DETACH = 2


def mount_tmpfs(folder: Path, size_mb: int) -> None:
    """Put an empty file system of that size over a folder. Raises OSError (EPERM without CAP_SYS_ADMIN)."""
    options = f"size={size_mb}m,mode=0700".encode()
    flags = _NOSUID | _NODEV | _NOEXEC
    if _LIBC.mount(b"flashdrill", os.fsencode(folder), b"tmpfs", flags, options):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(folder))


def unmount_below(folder: Path) -> list[Path]:
    """Unmount everything of ours in a folder (at once, even when it is in use); what was unmounted."""
    found = [place for place in mounted() if place == folder or folder in place.parents]
    return [place for place in reversed(found) if not _LIBC.umount2(os.fsencode(place), _DETACH)]


def mounted() -> list[Path]:
    """Where file systems of ours are, oldest first."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [Path(_plain(row[1])) for row in rows if row[0] == "flashdrill"]


def _plain(path: str) -> str:
    """/proc writes blanks as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)
