"""The folders of a stack: its cache, and a data folder that is only ever removed if we made it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.guardian import MARKER
from flashdrill.stack.mounts import unmount_below

NEEDED_MB = 400
"""Four data folders and what a few minutes of load write into them."""

_POLL_S = 0.05


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where things are kept between runs: $XDG_CACHE_HOME/flashdrill, else ~/.cache/flashdrill."""
    environ = os.environ if environ is None else environ
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "flashdrill"
    return Path(environ.get("HOME") or tempfile.gettempdir()) / ".cache" / "flashdrill"


def claim(folder: Path) -> Path:
    """Make the folder (or empty one of ours) and mark it as ours; its resolved path.

    StackError when it holds anything that is not ours.
    """
    folder = folder.resolve()
    if (folder / MARKER).is_file():
        unmount_below(folder)
        shutil.rmtree(folder)
    elif folder.is_dir() and any(folder.iterdir()):
        raise StackError(
            f"{folder} is not empty and was not made by flashdrill",
            remedy="name a new folder, or empty this one yourself",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("flashdrill removes this folder when its stack goes down\n")
    return folder


def discard(folder: Path) -> None:
    """Remove a folder of ours with all that is in it; any other is left alone."""
    if (folder / MARKER).is_file():
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


def require_space(folder: Path, needed_mb: int = NEEDED_MB) -> None:
    """StackError when the file system of the folder (or of its nearest parent) has less than that free."""
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free_mb = shutil.disk_usage(place).free // 2**20
    if free_mb < needed_mb:
        raise StackError(
            f"{free_mb} MB are free at {place}, the stack needs {needed_mb} MB",
            remedy="free some space, or point TMPDIR or --state at another disk",
        )


@contextmanager
def disk_errors_explained() -> Iterator[None]:
    """A full disk or a folder without permission becomes a StackError with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StackError(
                f"the disk is full: {error}",
                remedy="free some space, or point TMPDIR or --state at another disk",
            ) from error
        if error.errno in {errno.EACCES, errno.EROFS}:
            raise StackError(f"cannot write: {error}", remedy="name a folder of yours") from error
        raise


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Alone among all processes of this machine. Blocking; StackError when it takes over `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"another process holds {path}", remedy="wait for it, or end it"
                    ) from None
                time.sleep(_POLL_S)
        yield
