"""When each arrival is due: an open model, fixed before the run begins and blind to the server.

Each journey of a stage is a Poisson process of its own, with a rate that goes linearly from one
value to another, ramp after ramp. Its times come from unit exponentials by time rescaling: with the
cumulative rate Λ, on a ramp Λ(t) = a·t + (b - a)·t²/2D, the k-th arrival is at Λ⁻¹(E₁ + … + E_k).
That is exact, no thinning (Çinlar, Introduction to Stochastic Processes, 1975, chapter 4). Even
arrivals are at Λ⁻¹(u + k) with a drawn u.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from random import Random

import msgspec

from flashdrill.model.scenario import Arrivals, RecordedArrivals, Stage


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One customer who comes. `due_s` since the run's start; `index` counts all arrivals from 0."""

    due_s: float
    journey: str
    stage: str
    index: int


def arrivals(
    stages: Iterable[Stage], seed: int, *, worker: int = 0, workers: int = 1
) -> Iterator[Arrival]:
    """The arrivals in the order of their due times; the same for the same seed.

    Stages that are still to come may be given one by one, in the order of their starts.

    Of several workers each takes every n-th, so that together they make up the whole schedule.
    """
    for index, (due_s, journey, stage) in enumerate(_merged(stages, seed)):
        if index % workers == worker:
            yield Arrival(due_s, journey, stage, index)


def expected_counts(stages: Sequence[Stage]) -> dict[tuple[str, str], float]:
    """How many arrivals to expect, by (stage, journey): the mean for a rate, the exact number for a recording."""
    counts: dict[tuple[str, str], float] = {}
    for stage in stages:
        for source in stage.arrivals:
            key = (stage.name, source.journey)
            counts[key] = counts.get(key, 0.0) + source.expected
        for recording in stage.recorded:
            key = (stage.name, recording.journey)
            counts[key] = counts.get(key, 0.0) + len(recording.times_s)
    return counts


def stage_at(stages: Sequence[Stage], t_s: float) -> str:
    """The name of the stage at a time; before the first the first, after the last the last."""
    position = bisect_right([stage.start_s for stage in stages], t_s) - 1
    return stages[max(0, position)].name


def _merged(stages: Iterable[Stage], seed: int) -> Iterator[tuple[float, str, str]]:
    known = isinstance(stages, Sequence)
    for stage in sorted(stages, key=lambda s: s.start_s) if known else stages:
        streams = [
            _planned(stage, source, place, seed) for place, source in enumerate(stage.arrivals)
        ]
        streams += [_recorded(stage, recording) for recording in stage.recorded]
        yield from heapq.merge(*streams)


def _planned(
    stage: Stage, source: Arrivals, place: int, seed: int
) -> Iterator[tuple[float, str, str]]:
    rng = Random(f"{seed}/{stage.name}/{source.journey}/{place}")
    masses = _even(rng) if source.is_even else _poisson(rng)
    mass, start_s = next(masses), stage.start_s
    journey, name = source.journey, stage.name
    for ramp in source.rate:
        rate, expected = ramp.from_per_s, ramp.expected
        slope = (ramp.to_per_s - rate) / ramp.duration_s if ramp.duration_s else 0.0
        while mass < expected:
            yield start_s + _rescaled(mass, rate, slope), journey, name
            mass += next(masses)
        mass -= expected
        start_s += ramp.duration_s


def _poisson(rng: Random) -> Iterator[float]:
    """From each arrival to the next, in expected arrivals."""
    while True:
        yield rng.expovariate(1.0)


def _even(rng: Random) -> Iterator[float]:
    """The first anywhere, then one after the other."""
    yield rng.random()
    while True:
        yield 1.0


def _recorded(stage: Stage, recording: RecordedArrivals) -> Iterator[tuple[float, str, str]]:
    for time_s in recording.times_s:
        yield stage.start_s + time_s, recording.journey, stage.name


def _rescaled(mass: float, rate: float, slope: float) -> float:
    """The time at which rate·t + slope·t²/2 reaches the mass, in the form that does not cancel."""
    if not mass:
        return 0.0
    if not slope:
        return mass / rate
    return 2 * mass / (rate + math.sqrt(max(0.0, rate * rate + 2 * slope * mass)))
