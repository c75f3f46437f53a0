"""How far the queue is drained: a small file that is replaced as a whole."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from backend.filequeue.errors import CorruptQueueError
from backend.filequeue.files import Files

NAME = "cursor"
_MAGIC = b"FDCUR001"
_BODY = struct.Struct("<8sQQ")
_SIZE = _BODY.size + 4


@dataclass(frozen=True, slots=True)
class Cursor:
    """`drained`: the last record that need not come again. `synced`: the last one known to be on disk."""

    drained: int = 0
    synced: int = 0


def write(files: Files, directory: Path, cursor: Cursor) -> None:
    """Replace the cursor atomically; it is on disk when this returns."""
    body = _BODY.pack(_MAGIC, cursor.drained, cursor.synced)
    new = directory / f"{NAME}.new"
    files.remove(new)
    fd = files.open(new, create=True)
    try:
        files.write(fd, body + struct.pack("<I", crc32(body)), 0)
        files.fdatasync(fd)
    finally:
        files.close(fd)
    files.replace(new, directory / NAME)
    files.sync_directory(directory)


def read(files: Files, directory: Path) -> Cursor:
    """The cursor; CorruptQueueError when it is not what was written."""
    path = directory / NAME
    fd = files.open(path, write=False)
    try:
        data = files.read(fd, _SIZE + 1, 0)
    finally:
        files.close(fd)
    body = data[: _BODY.size]
    if len(data) != _SIZE or struct.pack("<I", crc32(body)) != data[_BODY.size :]:
        raise CorruptQueueError(path, 0, "the cursor is damaged")
    magic, drained, synced = _BODY.unpack(body)
    if magic != _MAGIC or drained > synced:
        raise CorruptQueueError(path, 0, "this is not a cursor")
    return Cursor(drained, synced)
