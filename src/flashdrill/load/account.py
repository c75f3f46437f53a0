"""What became of a run under plain Locust: of each share, and of all of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from flashdrill.load.shares import Orders, Share

FORMAT = "flashdrill-locust-run/1"
FILE = "run.json"
COUNTS = ("due", "sent", "ok", "queued", "refused", "fail", "info")
_WORDS = {"info": "unknown", "fail": "failed"}


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a share: operations by outcome (`due` counts arrivals; queued ones are among the ok), and what
    makes it doubtful. Without counts it was never played."""

    scheduled: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    lateness_p99_ms: float | None = None
    doubts: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every arrival that was scheduled came."""
        return bool(self.counts) and self.counts.get("due") == self.scheduled

    def message(self) -> dict[str, Any]:
        """What is sent to the master."""
        return {
            "scheduled": self.scheduled,
            "counts": dict(self.counts),
            "lateness_p99_ms": self.lateness_p99_ms,
            "doubts": list(self.doubts),
        }

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """What the master was sent."""
        late = data["lateness_p99_ms"]
        return cls(
            int(data["scheduled"]),
            {name: int(count) for name, count in data["counts"].items()},
            None if late is None else float(late),
            tuple(data["doubts"]),
        )

    def __str__(self) -> str:
        late = self.lateness_p99_ms
        lateness = "" if late is None else f", lateness p99 {late:.1f} ms"
        counted = f"{_counted(self.counts, self.scheduled)}{lateness}" if self.counts else ""
        return "; ".join([counted, *self.doubts] if counted else self.doubts)


@dataclass(frozen=True, slots=True)
class Account:
    """A run, by the ids of its workers. Until `is_over` it is incomplete, whatever has been heard."""

    orders: Orders
    epoch_ns: int
    shares: Mapping[str, Share]
    parts: Mapping[str, Part] = field(default_factory=dict)
    is_stopped: bool = False
    is_over: bool = False

    @property
    def missing(self) -> list[Share]:
        """The shares of which nothing was heard."""
        return [share for name, share in self.shares.items() if name not in self.parts]

    @property
    def is_complete(self) -> bool:
        """Whether the whole schedule was sent."""
        is_whole = all(part.is_whole for part in self.parts.values())
        return self.is_over and bool(self.shares) and not self.missing and is_whole

    @property
    def is_trusted(self) -> bool:
        """Whether it was complete, and nothing makes it doubtful."""
        return self.is_complete and not any(part.doubts for part in self.parts.values())

    def lines(self) -> list[str]:
        """The end in words: a line for each share and one for all of them."""
        told = [
            f"{share.name}: {self.parts.get(name, 'gone, what became of its share is not known')}"
            for name, share in self.shares.items()
        ]
        total: Counter[str] = Counter()
        for part in self.parts.values():
            total.update(part.counts)
        scheduled = sum(part.scheduled for part in self.parts.values())
        return [*told, "; ".join([f"in all: {_counted(total, scheduled)}", *self.gaps()])]

    def gaps(self) -> Iterator[str]:
        """Why this was not the whole schedule."""
        if self.is_stopped and not self.is_complete:
            yield "stopped before its end"
        elif not self.shares:
            yield "no worker answered: nothing was sent"
        if self.missing:
            yield (
                f"{len(self.missing)} of {len(self.shares)} shares are missing: the load was smaller than the schedule"
            )

    def document(self) -> dict[str, Any]:
        """The account as JSON."""
        status = "complete" if self.is_complete else "incomplete" if self.is_over else "running"
        return {
            "format": FORMAT,
            "scenario": self.orders.name,
            "seed": self.orders.seed,
            "started_at": datetime.fromtimestamp(self.epoch_ns / 1e9, UTC).isoformat(),
            "status": status,
            "reasons": list(self.gaps()) if self.is_over else [],
            "shares": [_share(share, self.parts.get(name)) for name, share in self.shares.items()],
        }

    def write(self) -> Path:
        """Write it into the run's folder, whole or not at all. Raises OSError."""
        path = self.orders.folder(self.epoch_ns) / FILE
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")
        return draft.replace(path)


def _counted(counts: Mapping[str, int], scheduled: int) -> str:
    told = [f"{counts.get(name, 0)} {_WORDS.get(name, name)}" for name in COUNTS[1:]]
    return ", ".join([f"{counts.get('due', 0)} of {scheduled} due", *told])


def _share(share: Share, part: Part | None) -> dict[str, Any]:
    clock = {"ahead_ms": share.clock.ahead_ns / 1e6, "error_ms": share.clock.error_ns / 1e6}
    return {"worker": share.worker, "clock": clock, "part": part.message() if part else None}
