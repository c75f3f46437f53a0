"""Arrivals of a journey, said shortly."""

from __future__ import annotations

from flashdrill.model.scenario import Arrivals, Ramp


def ramp(journey: str, start: float, end: float, duration_s: float) -> Arrivals:
    """From one rate to another."""
    return Arrivals(journey, (Ramp(duration_s, start, end),))


def steady(journey: str, rate: float, duration_s: float) -> Arrivals:
    """At one rate."""
    return ramp(journey, rate, rate, duration_s)
