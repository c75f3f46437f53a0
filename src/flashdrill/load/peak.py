"""The busiest second of a schedule, known before the run begins.

Only arrivals count: how many operations a customer makes of one, and how often each is tried again, nobody knows yet.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flashdrill.errors import ConfigError
from flashdrill.load.schedule import arrivals
from flashdrill.model.scenario import Arrivals, Ramp, Scenario, Stage

SIGMAS = 6
"""A planned rate so many standard deviations below the cap has no second above it: nothing has to be counted."""


@dataclass(frozen=True, slots=True)
class Peak:
    """So many arrivals in any one second of this stage."""

    per_s: float
    stage: str


def planned_peak(stages: Sequence[Stage]) -> Peak:
    """The highest rate of all journeys together, as it is planned; a recording's by its busiest second."""
    peaks = [Peak(_planned(stage.arrivals), stage.name) for stage in stages]
    peaks += [counted_peak((stage,), 0) for stage in stages if stage.recorded]
    return max(peaks, key=lambda peak: peak.per_s, default=Peak(0.0, ""))


def counted_peak(stages: Sequence[Stage], seed: int) -> Peak:
    """The most arrivals that this seed has within one second, wherever the second begins."""
    recent: deque[float] = deque()
    most = Peak(0.0, "")
    for arrival in arrivals(stages, seed):
        recent.append(arrival.due_s)
        while recent[0] <= arrival.due_s - 1.0:
            recent.popleft()
        if len(recent) > most.per_s:
            most = Peak(float(len(recent)), arrival.stage)
    return most


def check_peak(scenario: Scenario, cap: float | None) -> None:
    """Raise ConfigError for a schedule with more arrivals in a second than may be sent."""
    if cap is None:
        return
    peak = planned_peak(scenario.stages)
    if peak.per_s <= cap < peak.per_s + SIGMAS * math.sqrt(peak.per_s):
        peak = counted_peak(scenario.stages, scenario.seed)
    if peak.per_s > cap:
        raise ConfigError(
            f"stage {peak.stage!r} has up to {peak.per_s:,.0f} arrivals in a second, and the cap is {cap:,.0f}/s",
            path=scenario.path,
            remedy=f"lower its rate, or raise the cap: limits.rate_max: {_above(peak.per_s)}/s, or --rate-max",
        )


def _planned(sources: Sequence[Arrivals]) -> float:
    """The sum of linear ramps is highest where one of them begins or ends, just before or just after that."""
    edges = sorted({edge for source in sources for edge, _ in _spans(source)} | {0.0})
    sides = zip(*(_rates_at(edges, source) for source in sources), strict=True)
    return max((sum(rates) for side in sides for rates in zip(*side, strict=True)), default=0.0)


def _rates_at(edges: Sequence[float], source: Arrivals) -> tuple[list[float], list[float]]:
    """The rate just before, and just after, each of the ascending edges."""
    before, after = [0.0] * len(edges), [0.0] * len(edges)
    place, start_s = 0, 0.0
    for end_s, ramp in _spans(source):
        while edges[place] < end_s:
            after[place] = _rate(ramp, edges[place] - start_s)
            place += 1
            before[place] = _rate(ramp, edges[place] - start_s)
        start_s = end_s
    return before, after


def _rate(ramp: Ramp, moment_s: float) -> float:
    return ramp.from_per_s + (ramp.to_per_s - ramp.from_per_s) * (moment_s / ramp.duration_s)


def _spans(source: Arrivals) -> Iterator[tuple[float, Ramp]]:
    """The ramps that last, each with its end."""
    end_s = 0.0
    for ramp in source.rate:
        end_s += ramp.duration_s
        if ramp.duration_s > 0:
            yield end_s, ramp


def _above(per_s: float) -> int:
    """A round cap with some room."""
    step: int = 10 ** max(0, len(str(int(per_s))) - 2)
    return math.ceil(per_s * 1.2 / step) * step
