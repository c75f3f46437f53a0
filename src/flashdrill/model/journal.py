"""The journal of injected faults: written and synced before each injection, read by whoever heals.

Standard library only: the guardian reads it after the harness was killed.
One JSON object a line:
    {"do": "opened", "by": COMMAND, "home": PATH, "harness": PROCESS}
                                                               where it is kept when all is healed, if anywhere
    {"do": "stack", "guardian": PROCESS}                       the stack the faults are made on; the last one counts
    {"do": "inject", "fault": id, "undo": {"type": "toxic", "api": URL, "proxy": P, "toxic": T}}
    {"do": "inject", "fault": id, "undo": {"type": "proxy_enabled", "api": URL, "proxy": P}}
    {"do": "inject", "fault": id, "undo": {"type": "none"}}
    {"do": "healed", "fault": id}
    {"do": "stopping"}                                         its harness has been told to stop, and obeys

What `undo` can be, besides; PROCESS stands for the keys pid, started, boot of `flashdrill.model.processes.identity`:
    {"type": "proxy_gone", "api": URL, "proxy": P}             remove a proxy that is ours from somebody else's server
    {"type": "sigcont", PROCESS}                               let a stopped process go on
    {"type": "signal", PROCESS, "signum": N}                   send a signal, such as SIGHUP
    {"type": "kill", PROCESS}                                  SIGKILL a helper of the fault
    {"type": "respawn", "socket": PATH, "name": N}             a guardian starts a process again, if it does not run
    {"type": "signal_named", "socket": PATH, "name": N, "signum": N}
                                                               the same to what a guardian now runs under that name
    {"type": "edge_rule", "api": URL, "rule": R}               end a rule of the edge
    {"type": "sql", "dsn": DSN, "statements": [SQL, ...]}      each by itself, in order; all can be done twice
    {"type": "redis", "host": H, "port": P, "commands": [[WORD, ...], ...], "tolerates": [ERROR PREFIX, ...]}
    {"type": "file_gone", "path": PATH}                        remove a file that the fault made
    {"type": "file_text", "path": PATH, "text": TEXT}          write a small file
    {"type": "json_value", "path": PATH, "key": K, "value": V} set one key of a JSON file
    {"type": "all", "steps": [UNDO, ...]}                      several, in order

The harness that writes it holds its lock (flock(2)), which the kernel releases when the harness dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flashdrill.model.processes import identity


class Journal:
    """An append-only file; every line is on disk when the call returns. With `holds` it is locked until closed."""

    def __init__(self, path: Path, *, holds: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if holds:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(self._fd).st_size:
            _sync_folders(path)

    def opened(self, by: str, home: str | None = None) -> None:
        """Note which command makes the faults, this process, and where the journal belongs when all is healed."""
        harness = identity(os.getpid())
        self._append({"do": "opened", "by": by, "home": home, "harness": harness})

    def on_stack(self, guardian: Mapping[str, Any]) -> None:
        """Note the guardian (its `identity`) of the stack that the faults are made on."""
        self._append({"do": "stack", "guardian": dict(guardian)})

    def injecting(self, fault: str, undo: dict[str, Any]) -> None:
        """Note what is about to be done and how to undo it."""
        self._append({"do": "inject", "fault": fault, "undo": undo})

    def healed(self, fault: str) -> None:
        """Note that nothing of the fault is left."""
        self._append({"do": "healed", "fault": fault})

    def stopping(self) -> None:
        """Note that somebody ends it, and need not be told again."""
        self._append({"do": "stopping"})

    def close(self) -> None:
        """Release the file, and its lock."""
        os.close(self._fd)

    def _append(self, entry: dict[str, Any]) -> None:
        """All of it, or an OSError: a disk that is nearly full takes a part, and says nothing."""
        self._finish_torn_line()
        rest = (json.dumps(entry) + "\n").encode()
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.fdatasync(self._fd)

    def _finish_torn_line(self) -> None:
        """Else the next line would be lost with the torn one: another writer's, or ours on a full disk."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")


def _sync_folders(path: Path) -> None:
    """Else a power cut could take a new file, and its new folders, with every line that is on disk."""
    for folder in path.absolute().parents[:3]:
        with suppress(OSError):  # not ours to read, or a file system that cannot
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def is_held(path: Path) -> bool:
    """Whether a living harness writes this journal."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def guardian_of(path: Path) -> dict[str, Any]:
    """The `identity` of the guardian whose stack the faults were made on; empty when nobody noted it."""
    return dict(_last(path, "stack").get("guardian") or {})


def command_of(path: Path) -> str:
    """The command that makes the faults; empty when nobody noted it."""
    return str(_last(path, "opened").get("by") or "")


def harness_of(path: Path) -> dict[str, Any]:
    """The `identity` of the process that runs that command; empty when nobody noted it."""
    return dict(_last(path, "opened").get("harness") or {})


def is_stopping(path: Path) -> bool:
    """Whether its harness has been told to stop already."""
    return bool(_last(path, "stopping"))


def home_of(path: Path) -> str:
    """Where the journal belongs when all is healed; empty: it stays."""
    return str(_last(path, "opened").get("home") or "")


def unhealed(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The faults still in force as (fault id, undo), newest first.

    A torn last line is ignored: its injection never began.
    """
    pending: dict[str, list[dict[str, Any]]] = {}
    order: list[str] = []
    for entry in _entries(path):
        match entry.get("do"):
            case "inject":
                undo = entry.get("undo")
                fault = str(entry.get("fault"))
                pending.setdefault(fault, []).append(undo if isinstance(undo, dict) else {})
                order.append(fault)
            case "healed":
                pending.pop(str(entry.get("fault")), None)
    return [
        (f, undo)
        for f in dict.fromkeys(reversed(order))
        if f in pending
        for undo in reversed(pending[f])
    ]


def _last(path: Path, do: str) -> dict[str, Any]:
    found = [entry for entry in _entries(path) if entry.get("do") == do]
    return found[-1] if found else {}


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(json.JSONDecodeError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
