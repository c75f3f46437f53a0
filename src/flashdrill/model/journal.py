"""The journal of injected faults: written and synced before each injection, read by whoever heals.

Standard library only: the guardian reads it after the harness was killed.
One JSON object a line:
    {"do": "inject", "fault": id, "undo": {"type": "toxic", "api": URL, "proxy": P, "toxic": T}}
    {"do": "inject", "fault": id, "undo": {"type": "proxy_enabled", "api": URL, "proxy": P}}
    {"do": "inject", "fault": id, "undo": {"type": "sigcont", "pid": N}}
    {"do": "inject", "fault": id, "undo": {"type": "none"}}
    {"do": "healed", "fault": id}
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
