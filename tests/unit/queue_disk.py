"""A disk in memory that knows what is on it for good, and what a power cut may leave of the rest."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


@dataclass
class Inode:
    """A file: what a reader sees, what is on disk, and which sectors are still to be written there."""

    seen: bytearray = field(default_factory=bytearray)
    kept: bytes = b""
    dirty: set[int] = field(default_factory=set)

    def write(self, data: bytes, offset: int) -> None:
        end = offset + len(data)
        self.seen.extend(bytes(max(0, end - len(self.seen))))
        self.seen[offset:end] = data
        self.dirty.update(range(offset // SECTOR, -(-end // SECTOR)))

    def sync(self) -> None:
        """Everything that is dirty reaches the disk."""
        self.kept = self._with(self.dirty, len(self.seen))
        self.dirty.clear()

    def fail_sync(self) -> None:
        """As Linux does: what could not be written stays readable and counts as clean from now on."""
        self.dirty.clear()

    def after_power_cut(self, rng: random.Random) -> Inode:
        """What is on disk, and any of the sectors that were still to be written."""
        size = len(self.kept) if rng.random() < 0.5 else len(self.seen)
        data = self._with({s for s in self.dirty if rng.random() < 0.5}, size)
        return Inode(bytearray(data), data)

    def _with(self, sectors: set[int], size: int) -> bytes:
        data = bytearray(self.kept.ljust(size, b"\0"))
        for sector in sectors:
            place = slice(sector * SECTOR, min((sector + 1) * SECTOR, size))
            data[place] = self.seen[place]
        return bytes(data)


class MemoryDisk:
    """`Files` in memory. `fail_syncs` is how many fdatasyncs go well before they fail; None: all do."""

    def __init__(self) -> None:
        self.names_seen: dict[Path, Inode] = {}
        self.names_kept: dict[Path, Inode] = {}
        self.fds: dict[int, Inode] = {}
        self.fail_syncs: int | None = None
        self.syncs = 0

    def power_cut(self, seed: int) -> MemoryDisk:
        """The disk as the machine finds it when it is started again."""
        rng = random.Random(seed)
        names = dict(self.names_kept)
        unsynced = [p for p in self.names_seen if self.names_seen[p] is not names.get(p)]
        for path in unsynced:
            if rng.random() < 0.5:
                names[path] = self.names_seen[path]
        for path in [p for p in names if p not in self.names_seen]:
            if rng.random() < 0.5:
                del names[path]
        disk = MemoryDisk()
        cut = {id(inode): inode.after_power_cut(rng) for inode in names.values()}
        disk.names_seen = {path: cut[id(inode)] for path, inode in names.items()}
        disk.names_kept = dict(disk.names_seen)
        return disk

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        if create:
            assert path not in self.names_seen
            self.names_seen[path] = Inode()
        if path not in self.names_seen:
            raise FileNotFoundError(path)
        fd = max(self.fds, default=2) + 1
        self.fds[fd] = self.names_seen[path]
        return fd

    def allocate(self, fd: int, size: int) -> None:
        inode = self.fds[fd]
        inode.seen.extend(bytes(max(0, size - len(inode.seen))))

    def write(self, fd: int, data: bytes, offset: int) -> None:
        self.fds[fd].write(data, offset)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self.fds[fd].seen[offset : offset + size])

    def size(self, fd: int) -> int:
        return len(self.fds[fd].seen)

    def fdatasync(self, fd: int) -> None:
        if self.fail_syncs is not None:
            if self.fail_syncs == 0:
                self.fds[fd].fail_sync()
                raise OSError(errno.EIO, "the power is gone")
            self.fail_syncs -= 1
        self.syncs += 1
        self.fds[fd].sync()

    def sync_directory(self, path: Path) -> None:
        self.names_kept = dict(self.names_seen)

    def lock(self, path: Path) -> int:
        self.names_seen.setdefault(path, Inode())
        fd = max(self.fds, default=2) + 1
        self.fds[fd] = self.names_seen[path]
        return fd

    def replace(self, source: Path, target: Path) -> None:
        self.names_seen[target] = self.names_seen.pop(source)

    def remove(self, path: Path) -> None:
        self.names_seen.pop(path, None)

    def names(self, path: Path) -> list[str]:
        return sorted(p.name for p in self.names_seen if p.parent == path)

    def make_directory(self, path: Path) -> None:
        pass

    def close(self, fd: int) -> None:
        del self.fds[fd]
