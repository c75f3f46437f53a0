"""How many arrivals a second a stage has at its busiest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from flashdrill.model.scenario import Arrivals, RecordedArrivals, Stage


def peak_of(stage: Stage) -> float:
    """Arrivals a second at the stage's busiest: a rate is highest where two of its ramps meet."""
    courses = [(arrivals, _turns(arrivals)) for arrivals in stage.arrivals]
    turns = {turn_s for _, own in courses for turn_s in own}
    planned = (sum(_highest(*course, turn_s) for course in courses) for turn_s in turns)
    return max(max(planned, default=0.0), float(_busiest_second(stage.recorded)))


def _turns(arrivals: Arrivals) -> Sequence[float]:
    """The moments at which its rate may change its course: where its ramps begin, and where the last one ends."""
    return list(accumulate((ramp.duration_s for ramp in arrivals.rate), initial=0.0))


def _highest(arrivals: Arrivals, turns: Sequence[float], at_s: float) -> float:
    """The rate at a moment; where it jumps, the higher one."""
    found, place = 0.0, max(0, bisect_left(turns, at_s) - 1)
    while place < len(arrivals.rate) and turns[place] <= at_s <= turns[place + 1]:
        ramp = arrivals.rate[place]
        slope = (ramp.to_per_s - ramp.from_per_s) / ramp.duration_s
        found = max(found, ramp.from_per_s + slope * (at_s - turns[place]))
        place += 1
    return found


def _busiest_second(recorded: tuple[RecordedArrivals, ...]) -> int:
    seconds: dict[int, int] = {}
    for arrivals in recorded:
        for time_s in arrivals.times_s:
            seconds[int(time_s)] = seconds.get(int(time_s), 0) + 1
    return max(seconds.values(), default=0)
