"""What a load process can do at most: found before a run against a server that answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CPU_LIMIT = 0.80
"""The share of its core that a load process may use in a valid stage."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `workers` load processes together can send, on this machine at that moment.

    `operations_per_s` is the capacity: operations a second on a schedule, each recorded in full, within CPU_LIMIT of a
    core for each process; `cpu_us_per_operation` is a process' own CPU for one of them. `saturated_per_s` is what they
    got done when one customer followed another without a pause, on the share `cpu` of a core (the busiest of several);
    below 1 others had some of it.
    """

    operations_per_s: float
    cpu_us_per_operation: float
    cpu: float
    saturated_per_s: float
    seconds: float
    workers: int = 1


def together(parts: Sequence[Calibration]) -> Calibration | None:
    """What several load processes, calibrated at the same time, can do together; None without any."""
    if not parts:
        return None
    operations_per_s = sum(part.operations_per_s for part in parts)
    cpu_us_per_s = sum(part.cpu_us_per_operation * part.operations_per_s for part in parts)
    return Calibration(
        operations_per_s=operations_per_s,
        cpu_us_per_operation=cpu_us_per_s / operations_per_s if operations_per_s else 0.0,
        cpu=max(part.cpu for part in parts),
        saturated_per_s=sum(part.saturated_per_s for part in parts),
        seconds=max(part.seconds for part in parts),
        workers=sum(part.workers for part in parts),
    )
