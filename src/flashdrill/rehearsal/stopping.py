"""Stopping what is under way, from another terminal: the same as Ctrl-C in its own, and waiting for what comes of it.

    journals that somebody writes ──> their harness ── SIGTERM ──> no more customers ──> healed ──> reported, gone

Who writes a journal is noted in it with the process' start, and the journal is locked meanwhile: a pid that means
another process by now is never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError
from flashdrill.model.journal import command_of, harness_of, home_of, is_stopping, unhealed
from flashdrill.model.processes import is_same
from flashdrill.rehearsal.journals import held

OVER_TIMEOUT_S = 120.0
"""For healing, what the run still has to read, and its report."""
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run, or an injection of faults. `folder` is where it reports; empty journals' is None."""

    journal: Path
    command: str
    harness: dict[str, Any]
    folder: Path | None

    @property
    def is_stopping(self) -> bool:
        """Whether somebody has told it to stop."""
        return is_stopping(self.journal)

    @property
    def pid(self) -> int:
        """Of the process that runs it."""
        return int(self.harness["pid"])


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was seen after the signal, in seconds since then. `load_s` None: there was no load, or its end was not seen.

    `over_s` None: it still went on when the time was up. `left` are the faults that may be in force.
    """

    load_s: float | None
    over_s: float | None
    left: tuple[str, ...]


def under_way(state_dir: Path) -> list[UnderWay]:
    """What living processes do, by the journals in the folder. Raises StackError when one cannot be read."""
    return list(_under_way(state_dir))


def _under_way(state_dir: Path) -> Iterator[UnderWay]:
    for path in held(state_dir):
        harness, home = harness_of(path), home_of(path)
        if is_same(harness):
            yield UnderWay(path, command_of(path), harness, Path(home).parent if home else None)


def stop(
    found: UnderWay,
    *,
    timeout_s: float = OVER_TIMEOUT_S,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Stopped:
    """Tell it to stop, unless it is stopping already, and wait until it is over, so long at most.

    Raises StackError when it may not be told.
    """
    told_s = now_s()
    if not found.is_stopping:
        _signal(found)
    load_s: float | None = None
    while True:
        waited_s = now_s() - told_s
        is_over = not is_same(found.harness)
        if load_s is None and _has_load_ended(found.folder):
            load_s = waited_s
        if is_over or waited_s > timeout_s:
            left = tuple(dict.fromkeys(fault for fault, _ in unhealed(found.journal)))
            return Stopped(load_s, waited_s if is_over else None, left)
        sleep(POLL_S)


def _signal(found: UnderWay) -> None:
    """SIGTERM, through a handle of the process, so that it cannot mean another one between the look and the signal."""
    try:
        handle = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return
    try:
        if is_same(found.harness):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise StackError(
            f"pid {found.pid} is somebody else's process",
            remedy="do this as the user whose run it is",
        ) from None
    finally:
        os.close(handle)


def _has_load_ended(folder: Path | None) -> bool:
    """Whether every load process has said its totals."""
    logs = [] if folder is None else sorted(folder.glob("live*.jsonl"))
    return bool(logs) and all(_is_done(log) for log in logs)


def _is_done(log: Path) -> bool:
    try:
        *_, last = log.read_bytes().splitlines() or [b""]
        return bool(json.loads(last).get("event") == "done")
    except (OSError, ValueError):
        return False
