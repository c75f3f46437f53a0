"""Which process a pid means: pids are used again, after a restart of the machine too. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def identity(pid: int) -> dict[str, Any]:
    """`{"pid", "started", "boot"}`: its start in clock ticks since boot (0: no such process), and the boot's id."""
    return {"pid": pid, "started": _started(pid), "boot": _boot()}


def is_same(entry: dict[str, Any]) -> bool:
    """Whether the process of an `identity` still runs, and is not another one under its pid."""
    started = entry.get("started")
    return bool(started) and entry.get("boot") == _boot() and _started(int(entry["pid"])) == started


def _started(pid: int) -> int:
    """Field 22 of proc(5); a zombie has none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
