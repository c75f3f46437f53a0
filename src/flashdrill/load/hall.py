"""What the harness tells a Locust master, and what it hears of the workers that come to it.

master.json ──> master ──> master.jsonl: listening, joined, refused, clock, lost
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

CLOCK_LIMIT_NS = 100_000_000
"""Clocks that are known worse than this do not tell which arrivals a fault met."""


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, the specifications of the shares by worker, and where to say what happens."""

    host: str
    port: int
    specs: tuple[str, ...]
    events_path: str
    start_path: str


class Clock(msgspec.Struct, frozen=True):
    """A worker's monotonic clock against the master's: times of its record plus `shift_ns` are the master's, give or
    take `error_ns`."""

    worker: int
    shift_ns: int
    error_ns: int


def clocks(events_path: Path) -> dict[int, Clock]:
    """The last word on each worker's clock; empty without a master."""
    found: dict[int, Clock] = {}
    for line in _lines(events_path):
        if line["event"] == "clock":
            clock = msgspec.convert({k: v for k, v in line.items() if k != "event"}, Clock)
            found[clock.worker] = clock
    return found


def lost(events_path: Path) -> dict[int, str]:
    """The workers that the master misses, each with what it said last if it said why; empty when it did not."""
    return {line["worker"]: line["why"] for line in _lines(events_path) if line["event"] == "lost"}


def refused(events_path: Path) -> list[str]:
    """Those that came and got no share, each with the reason."""
    return [
        f"{line['name']} was refused: {line['why']}"
        for line in _lines(events_path)
        if line["event"] == "refused"
    ]


def joined(events_path: Path) -> dict[int, str]:
    """The names of the workers that have come."""
    return {
        line["worker"]: line["name"] for line in _lines(events_path) if line["event"] == "joined"
    }


def clock_doubts(done: Mapping[str, Any]) -> list[str]:
    """The workers whose clocks are not known well enough, from the load's last line."""
    limit_ms = CLOCK_LIMIT_NS / 1e6
    return [
        f"the clock of worker {worker['worker'] + 1} ({worker['name']}) is known to {worker['clock_error_ms']:.1f} ms "
        f"only (limit {limit_ms:.0f} ms): its operations cannot be put beside faults and other workers"
        for worker in done.get("workers", ())
        if worker.get("clock_error_ms", 0.0) > limit_ms
    ]


def ended_from_outside(done: Mapping[str, Any]) -> str:
    """What is said of a load whose last line tells that somebody else ended it."""
    names = [
        f"worker {worker['worker'] + 1}" + (f" ({worker['name']})" if worker.get("name") else "")
        for worker in done.get("workers", ())
        if worker["interrupted"]
    ]
    return f"the load was not sent to its end: {', '.join(names) or 'the load process'} was told to stop"


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
