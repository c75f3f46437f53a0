"""The folder of one run: where everything about it is kept."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside `reports/runs/<UTC stamp>-<scenario>/`."""

    path: Path

    @property
    def journal(self) -> Path:
        """What was injected and healed; it is here when all is healed, see `journals`."""
        return self.path / "journal.jsonl"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.path / "logs"

    @property
    def crowd(self) -> Path:
        """The crowd's specification."""
        return self.path / "crowd.json"

    @property
    def master_events(self) -> Path:
        """What a Locust master says of the workers that come to it."""
        return self.path / "master.jsonl"

    @property
    def events(self) -> Path:
        """Everything that happened, in time order."""
        return self.path / "events.jsonl"


def create(out: Path, scenario: str, now: datetime) -> RunFolder:
    """A new, empty folder named by UTC time and scenario; `out/../latest` points to it."""
    stamp = now.strftime("%Y%m%dT%H%M%S.%fZ")
    path = (out / f"{stamp}-{scenario}").resolve()
    (path / "logs").mkdir(parents=True)
    link = path.parent.parent / "latest"
    with contextlib.suppress(OSError):  # a filesystem without links still gets its run
        fresh = link.with_name(f".latest-{stamp}")
        fresh.symlink_to(path.relative_to(link.parent))
        fresh.replace(link)
    return RunFolder(path)
