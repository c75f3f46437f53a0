"""The journal of injected faults: written and synced before each injection, read by whoever heals.

Standard library only: the guardian reads it after the harness was killed.
One JSON object a line:
    {"do": "inject", "fault": id, "undo": {"type": "toxic", "api": URL, "proxy": P, "toxic": T}}
    {"do": "inject", "fault": id, "undo": {"type": "proxy_enabled", "api": URL, "proxy": P}}
    {"do": "inject", "fault": id, "undo": {"type": "none"}}
    {"do": "healed", "fault": id}

What `undo` can be, besides; PROCESS stands for the keys pid, started, boot of `flashdrill.model.processes.identity`:
    {"type": "sigcont", PROCESS}                               let a stopped process go on
    {"type": "signal", PROCESS, "signum": N}                   send a signal, such as SIGHUP
    {"type": "kill", PROCESS}                                  SIGKILL a helper of the fault
    {"type": "respawn", "socket": PATH, "name": N}             a guardian starts a process again, if it does not run
    {"type": "edge_rule", "api": URL, "rule": R}               end a rule of the edge
    {"type": "sql", "dsn": DSN, "statements": [SQL, ...]}      each by itself, in order; all can be done twice
    {"type": "redis", "host": H, "port": P, "commands": [[WORD, ...], ...], "tolerates": [ERROR PREFIX, ...]}
    {"type": "file_gone", "path": PATH}                        remove a file that the fault made
    {"type": "file_text", "path": PATH, "text": TEXT}          write a small file
    {"type": "json_value", "path": PATH, "key": K, "value": V} set one key of a JSON file
    {"type": "all", "steps": [UNDO, ...]}                      several, in order
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file; every line is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def injecting(self, fault: str, undo: dict[str, Any]) -> None:
        """Note what is about to be done and how to undo it."""
        self._append({"do": "inject", "fault": fault, "undo": undo})

    def healed(self, fault: str) -> None:
        """Note that nothing of the fault is left."""
        self._append({"do": "healed", "fault": fault})

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)

    def _append(self, entry: dict[str, Any]) -> None:
        os.write(self._fd, (json.dumps(entry) + "\n").encode())
        os.fdatasync(self._fd)


def unhealed(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The faults still in force as (fault id, undo), newest first.

    A torn last line is ignored: its injection never began.
    """
    pending: dict[str, list[dict[str, Any]]] = {}
    order: list[str] = []
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        fault = entry["fault"]
        if entry["do"] == "inject":
            pending.setdefault(fault, []).append(entry["undo"])
            order.append(fault)
        else:
            pending.pop(fault, None)
    return [
        (f, undo)
        for f in dict.fromkeys(reversed(order))
        if f in pending
        for undo in reversed(pending[f])
    ]
