"""What a run tells whoever looks on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flashdrill.model.result import RunResult


@dataclass(frozen=True, slots=True)
class LiveSecond:
    """One second of load as it happened; counts are per second, `faults` are those in force."""

    t_s: float
    total_s: float
    stage: str
    due: int
    ok: int
    queued: int
    refused: int
    fail: int
    info: int
    p99_ms: float | None  # of the operations that ended in this second
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over, and the folder that holds everything about it."""

    result: RunResult
    folder: Path


class Watcher(Protocol):
    """The terminal, or a test."""

    def phase(self, text: str) -> None:
        """A new part of the run has begun."""

    def server_ready(self, name: str, seconds: float) -> None:
        """One server of the stack answers."""

    def second(self, live: LiveSecond) -> None:
        """One second of load is over."""

    def fault(self, event: dict[str, object]) -> None:
        """A fault changed its phase."""
