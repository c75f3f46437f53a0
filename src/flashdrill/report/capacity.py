"""What could be sent, in words."""

from __future__ import annotations

from flashdrill.model.calibration import CPU_LIMIT
from flashdrill.model.capacity import Capacity
from flashdrill.report.wording import count, share


def generator_limit(capacity: Capacity) -> str:
    """A few sentences on the generator's own limit; empty when it was not calibrated."""
    found = capacity.generator
    if found is None:
        return ""
    who = "The load process" if found.workers == 1 else f"The {found.workers} load processes"
    said = (
        f"{who} can send {count(found.operations_per_s)} operations a second on a schedule, within "
        f"{share(CPU_LIMIT)} of a core, to a server that answers at once; found before the load. The schedule's peak "
        f"is {count(capacity.peak_per_s)} arrivals a second"
    )
    return f"{said}: beyond that." if capacity.is_beyond_generator else f"{said}."
