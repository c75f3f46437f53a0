"""What the load process could send when it was calibrated last on this machine: for `validate`, which starts nothing.

.flashdrill/calibration.json    {"at": "2026-01-27T12:00:00+00:00", "found": {...}}
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flashdrill.model.calibration import Calibration
from flashdrill.model.peak import peak_of
from flashdrill.model.scenario import Scenario

FILE = "calibration.json"


class LastCalibration(msgspec.Struct, frozen=True):
    """What was found, and when (UTC, ISO 8601)."""

    at: str
    found: Calibration


def keep(state: Path, found: Calibration, now: datetime | None = None) -> None:
    """Keep it, whole or not at all. Raises OSError."""
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    state.mkdir(parents=True, exist_ok=True)
    draft = (state / FILE).with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(LastCalibration(at, found)) + b"\n")
    draft.replace(state / FILE)


def last(state: Path) -> LastCalibration | None:
    """The last one; None when there is none that can be read."""
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=LastCalibration)
    except (OSError, msgspec.MsgspecError):
        return None


def doubt(scenario: Scenario, known: LastCalibration | None) -> str:
    """Why this machine will hardly be able to send the scenario's peak; empty: nothing is known against it."""
    peak_per_s = max(map(peak_of, scenario.stages), default=0.0)
    return doubt_of(peak_per_s, scenario.limits.workers, known)


def doubt_of(peak_per_s: float, workers: int, known: LastCalibration | None) -> str:
    """The same of any peak, sent by so many load processes."""
    if known is None or not known.found.operations_per_s:
        return ""
    most_per_s = known.found.operations_per_s / known.found.workers * workers
    if peak_per_s <= most_per_s:
        return ""
    who = "one load process" if workers == 1 else f"{workers} load processes"
    return (
        f"its peak of {peak_per_s:,.0f} arrivals a second is beyond the {most_per_s:,.0f} operations a second that "
        f"{who} can send at most, as calibrated on this machine ({known.at}): the run would be inconclusive"
    )
