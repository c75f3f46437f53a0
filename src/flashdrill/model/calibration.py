"""What a load process can do at most: found before a run against a server that answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Operations a second of `workers` load processes together, on this machine at that moment.

    Each operation is recorded in full. `cpu_us_per_operation` is the load process' own CPU, `cpu` the share of one
    core that it got (the busiest of several); below 1 others had some of it.
    """

    operations_per_s: float
    cpu_us_per_operation: float
    cpu: float
    operations: int
    seconds: float
    workers: int = 1


def together(parts: Sequence[Calibration]) -> Calibration | None:
    """What several load processes, calibrated at the same time, can do together; None without any."""
    if not parts:
        return None
    operations = sum(part.operations for part in parts)
    cpu_us = sum(part.cpu_us_per_operation * part.operations for part in parts)
    return Calibration(
        operations_per_s=sum(part.operations_per_s for part in parts),
        cpu_us_per_operation=cpu_us / operations if operations else 0.0,
        cpu=max(part.cpu for part in parts),
        operations=operations,
        seconds=max(part.seconds for part in parts),
        workers=sum(part.workers for part in parts),
    )
