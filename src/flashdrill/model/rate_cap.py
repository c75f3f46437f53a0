"""How many requests a second a run may send at the most."""

from __future__ import annotations

from flashdrill.model.hosts import Admission
from flashdrill.model.scenario import Limits

AWAY_PER_S = 1_000.0
"""The cap where a host is not this machine and the scenario says nothing."""


def rate_cap(limits: Limits, admission: Admission) -> float | None:
    """Requests a second; None: no cap."""
    if limits.rate_max is not None:
        return limits.rate_max
    return AWAY_PER_S if admission.addresses else None
