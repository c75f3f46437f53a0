"""Processes as /proc shows them, and how to end them. Standard library only: the guardian uses it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

SWEEP_LIMIT_S = 1.0
POLL_S = 0.005

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_IPC_RMID = 0
_LIBC = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """The pids of all living processes below `root`, zombies left out."""
    below: dict[int, list[int]] = {}
    for pid in _pids():
        state, parent = stat_of(pid)
        if state not in "ZX":
            below.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        young = below.get(waiting.pop(), [])
        found += young
        waiting += young
    return found


def postgres_in(folder: str) -> list[int]:
    """The pids of postgres processes at work in a data directory (each has it as its current one)."""
    found = []
    for pid in _pids():
        with suppress(OSError):
            entry = f"/proc/{pid}"
            if os.readlink(f"{entry}/cwd") == folder and os.readlink(f"{entry}/exe").endswith(  # noqa: PTH115
                "/postgres"
            ):
                found.append(pid)
    return found


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def stat_of(pid: int) -> tuple[str, int]:
    """State letter and parent of a process; X and 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "X", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def exited() -> Iterator[tuple[int, int]]:
    """The pids and statuses (as in `subprocess`) of children that have ended; they are reaped."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            yield pid, os.waitstatus_to_exitcode(status)


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that is gone, or not ours, is left alone."""
    with suppress(OSError):
        os.kill(pid, signum)


def dies_with(parent: int, signum: int) -> Callable[[], None]:
    """For `preexec_fn`, so after a change of user, which would clear it: die when the guardian dies."""

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def sweep(folder: str) -> None:
    """SIGKILL the backends that outlived their postmaster, and wait until they are gone."""

    def still_there() -> bool:
        left = postgres_in(folder)
        for pid in left:
            send(pid, signal.SIGKILL)
        return bool(left)

    poll(still_there, SWEEP_LIMIT_S)


def poll(is_pending: Callable[[], bool], limit_s: float) -> None:
    """Ask again and again while the answer is yes, at most for `limit_s`."""
    deadline = time.monotonic() + limit_s
    while is_pending() and time.monotonic() < deadline:
        time.sleep(POLL_S)


def release_segment(lock_file: Path) -> None:
    """Remove the System V segment of a postmaster that had to be killed (line 7: key and id)."""
    with suppress(OSError, ValueError, IndexError):
        key, segment = (int(word) for word in lock_file.read_text().splitlines()[6].split())
        if _LIBC.shmget(key, 0, 0) == segment:
            _LIBC.shmctl(segment, _IPC_RMID, None)


def complain(where: str, error: Exception) -> None:
    """Write an error to the guardian's log; never fails."""
    with suppress(Exception):
        print(f"guardian: {where}: {error!r}", file=sys.stderr, flush=True)
