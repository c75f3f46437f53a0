"""How many arrivals a second a stage has at its busiest."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.model.scenario import Arrivals, RecordedArrivals, Stage


def peak_of(stage: Stage) -> float:
    """Arrivals a second at the stage's busiest: a rate is highest where two of its ramps meet."""
    ends = {end_s for arrivals in stage.arrivals for end_s in _ends(arrivals)}
    planned = (sum(_highest(arrivals, end_s) for arrivals in stage.arrivals) for end_s in ends)
    return max(max(planned, default=0.0), float(_busiest_second(stage.recorded)))


def _ends(arrivals: Arrivals) -> Iterator[float]:
    """The moments at which its rate may change its course."""
    time_s = 0.0
    yield time_s
    for ramp in arrivals.rate:
        time_s += ramp.duration_s
        yield time_s


def _highest(arrivals: Arrivals, at_s: float) -> float:
    """The rate at a moment; where it jumps, the higher one."""
    found, start_s = 0.0, 0.0
    for ramp in arrivals.rate:
        if start_s <= at_s <= start_s + ramp.duration_s:
            slope = (ramp.to_per_s - ramp.from_per_s) / ramp.duration_s
            found = max(found, ramp.from_per_s + slope * (at_s - start_s))
        start_s += ramp.duration_s
    return found


def _busiest_second(recorded: tuple[RecordedArrivals, ...]) -> int:
    seconds: dict[int, int] = {}
    for arrivals in recorded:
        for time_s in arrivals.times_s:
            seconds[int(time_s)] = seconds.get(int(time_s), 0) + 1
    return max(seconds.values(), default=0)
