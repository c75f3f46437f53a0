"""The busiest second of a schedule, known before the run begins.

Only arrivals count: how many operations a customer makes of one, and how often each is tried again, nobody knows yet.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from flashdrill.errors import ConfigError
from flashdrill.load.schedule import arrivals
from flashdrill.model.scenario import Arrivals, Scenario, Stage

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
    """The sum of linear ramps is highest where one of them begins or ends."""
    edges = {0.0}
    for source in sources:
        edges.update(end_s for _, end_s, _ in _spans(source))
    return max(sum(_highest_at(source, edge) for source in sources) for edge in edges)


def _highest_at(source: Arrivals, moment_s: float) -> float:
    """The rate then; where two ramps meet, the higher of both."""
    found = 0.0
    for start_s, end_s, (from_per_s, to_per_s) in _spans(source):
        if start_s <= moment_s <= end_s and end_s > start_s:
            share = (moment_s - start_s) / (end_s - start_s)
            found = max(found, from_per_s + (to_per_s - from_per_s) * share)
    return found


def _spans(source: Arrivals) -> list[tuple[float, float, tuple[float, float]]]:
    spans, start_s = [], 0.0
    for ramp in source.rate:
        end_s = start_s + ramp.duration_s
        spans.append((start_s, end_s, (ramp.from_per_s, ramp.to_per_s)))
        start_s = end_s
    return spans


def _above(per_s: float) -> int:
    """A round cap with some room."""
    step: int = 10 ** max(0, len(str(int(per_s))) - 2)
    return math.ceil(per_s * 1.2 / step) * step
