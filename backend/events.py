"""The service's own events as JSON lines, for whoever measures detection and recovery."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path


class EventLog:
    """Appends one line per event; a line is with the kernel when `emit` returns, so SIGKILL loses none.

    With no path nothing is written. Not synced: after a power cut the last lines may be missing.
    """

    def __init__(
        self, path: str | Path | None, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._fd = -1
        if path:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._fd = os.open(path, flags, 0o644)

    def emit(self, event: str, target: str = "", **fields: object) -> None:
        """Append {"t_mono_ns", "event", "target", **fields}; fields must be JSON values."""
        if self._fd < 0:
            return
        entry = {"t_mono_ns": self._monotonic_ns(), "event": event, "target": target, **fields}
        os.write(self._fd, (json.dumps(entry) + "\n").encode())

    def close(self) -> None:
        """Release the file; later events are dropped."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
