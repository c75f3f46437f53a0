"""The schedule for any rates, stages, seeds and workers: nothing lost, nothing twice, as many as the integral says."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashdrill.load.schedule import arrivals, expected_counts
from flashdrill.model.scenario import Arrivals, Ramp, RecordedArrivals, Stage
from tests.unit.test_plan_rates import stages_of

PER_S = st.one_of(st.just(0.0), st.floats(0.01, 60))
RAMPS = st.lists(st.builds(Ramp, st.floats(0.05, 5), PER_S, PER_S), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**53)


@st.composite
def stage_lists(draw: st.DrawFn) -> tuple[Stage, ...]:
    """One to three stages of planned and recorded arrivals, one after another."""
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 3))):
        ramps = draw(RAMPS)
        duration_s = sum(ramp.duration_s for ramp in ramps)
        flat = (Ramp(duration_s, 7.0, 7.0),)
        times = st.lists(st.floats(0, duration_s), min_size=1, max_size=20)
        stages.append(
            Stage(
                f"stage-{number}",
                stages[-1].end_s if stages else 0.0,
                duration_s,
                (Arrivals("buy", tuple(ramps), draw(st.booleans())), Arrivals("browse", flat)),
                (RecordedArrivals("order", tuple(sorted(draw(times)))),)
                if draw(st.booleans())
                else (),
            )
        )
    return tuple(stages)


@given(stage_lists(), SEEDS, st.integers(1, 9))
@settings(max_examples=60)
def test_the_workers_shares_are_the_schedule(
    stages: tuple[Stage, ...], seed: int, workers: int
) -> None:
    whole = list(arrivals(stages, seed))
    shares = [list(arrivals(stages, seed, worker=w, workers=workers)) for w in range(workers)]
    assert sorted((a for share in shares for a in share), key=lambda a: a.index) == whole
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [arrival.index for arrival in whole] == list(range(len(whole)))


@given(stage_lists(), SEEDS)
@settings(max_examples=60)
def test_arrivals_ascend_and_stay_in_their_stage(stages: tuple[Stage, ...], seed: int) -> None:
    whole = list(arrivals(stages, seed))
    assert all(a.due_s <= b.due_s for a, b in pairwise(whole))
    spans = {stage.name: (stage.start_s, stage.end_s) for stage in stages}
    for arrival in whole:
        start_s, end_s = spans[arrival.stage]
        assert start_s - 1e-9 <= arrival.due_s <= end_s + 1e-9


@given(RAMPS, SEEDS, st.lists(st.floats(0, 1), min_size=2, max_size=6))
@settings(max_examples=100)
def test_even_arrivals_are_the_integral_within_one_over_any_stretch(
    ramps: list[Ramp], seed: int, shares: list[float]
) -> None:
    duration_s = sum(ramp.duration_s for ramp in ramps)
    stage = Stage("s", 3.0, duration_s, (Arrivals("buy", tuple(ramps), is_even=True),))
    times = np.array([a.due_s - 3.0 for a in arrivals((stage,), seed)])
    for start, end in pairwise(sorted(shares)):
        start_s, end_s = start * duration_s, end * duration_s
        came = np.count_nonzero((times >= start_s) & (times < end_s))
        assert abs(came - (_integral(ramps, end_s) - _integral(ramps, start_s))) <= 1 + 1e-6


def _integral(ramps: Sequence[Ramp], until_s: float) -> float:
    """Expected arrivals before a time, from the definition of a ramp."""
    expected = 0.0
    for ramp in ramps:
        t = min(max(until_s, 0.0), ramp.duration_s)
        slope = (ramp.to_per_s - ramp.from_per_s) / ramp.duration_s
        expected += ramp.from_per_s * t + slope * t * t / 2
        until_s -= ramp.duration_s
    return expected


WAVE = "{mean: 50/s, swing: 30/s, period: 4s}"
FORMS: dict[str, Callable[[float], float]] = {
    "40/s": lambda t: 40 * t,
    "{from: 10/s, to: 90/s}": lambda t: 10 * t + 4 * t * t,
    "{base: 20/s, peak: 200/s, at: 4s, for: 2s}": lambda t: (
        20 * t + 180 * min(max(t - 4, 0.0), 2.0)
    ),
    WAVE: lambda t: 50 * t + 30 * 4 / (2 * math.pi) * (1 - math.cos(2 * math.pi * t / 4)),
    "[{at: 0s, rate: 10/s}, {at: 5s, rate: 90/s}, {at: 10s, rate: 30/s}]": lambda t: (
        10 * t + 8 * t * t if t < 5 else 250 + 90 * (t - 5) - 6 * (t - 5) ** 2
    ),
}
"""A rate over ten seconds, and how many arrivals are expected before a time: worked out by hand."""
SECONDS = np.arange(11)


@pytest.mark.parametrize("form", FORMS)
def test_as_many_are_expected_as_the_integral_says(tmp_path: Path, form: str) -> None:
    (stage,) = stages_of(tmp_path, f"name: s, duration: 10s, arrivals: {{buy: {form}}}")
    assert expected_counts((stage,))["s", "buy"] == pytest.approx(FORMS[form](10), rel=0.002)


@pytest.mark.parametrize("form", FORMS)
def test_even_arrivals_of_every_form_are_the_integral_in_every_second(
    tmp_path: Path, form: str
) -> None:
    line = f"name: s, duration: 10s, spacing: even, arrivals: {{buy: {form}}}"
    came = _by_second(stages_of(tmp_path, line), 1)
    wanted = np.diff([FORMS[form](t) for t in SECONDS])
    assert np.abs(came - wanted).max() <= 1 + 0.002 * wanted.max()


@pytest.mark.parametrize("form", FORMS)
def test_poisson_counts_have_the_mean_and_the_variance_of_the_integral(
    tmp_path: Path, form: str
) -> None:
    """In each second over 200 seeds, within five standard errors; and no second tells of the next."""
    stages = stages_of(tmp_path, f"name: s, duration: 10s, arrivals: {{buy: {form}}}")
    draws = np.array([_by_second(stages, seed) for seed in range(200)])
    wanted = np.diff([FORMS[form](t) for t in SECONDS])
    assert (np.abs(draws.mean(0) - wanted) < 5 * np.sqrt(wanted / 200) + 0.002 * wanted).all()
    dispersion = draws.var(0, ddof=1) / draws.mean(0)
    assert (np.abs(dispersion - 1) < 5 * math.sqrt(2 / 199)).all()
    beside = [np.corrcoef(draws[:, n], draws[:, n + 1])[0, 1] for n in range(9)]
    assert np.abs(beside).max() < 5 / math.sqrt(200)


def test_even_arrivals_would_fail_as_poisson_ones(tmp_path: Path) -> None:
    line = "name: s, duration: 10s, spacing: even, arrivals: {buy: 40/s}"
    stages = stages_of(tmp_path, line)
    draws = np.array([_by_second(stages, seed) for seed in range(100)])
    assert (draws.var(0, ddof=1) / draws.mean(0)).max() < 0.1


def _by_second(stages: tuple[Stage, ...], seed: int) -> np.ndarray:
    times = [arrival.due_s for arrival in arrivals(stages, seed)]
    return np.histogram(times, SECONDS)[0]


@pytest.mark.parametrize("spacing", ["poisson", "even"])
def test_a_staircase_has_the_rate_of_its_step_in_each_of_them(tmp_path: Path, spacing: str) -> None:
    stairs = "{from: 100/s, to: 400/s, step: 150/s, hold: 4s, warm_up: 1s}"
    line = f"name: climb, spacing: {spacing}, mix: {{browse: 3, buy: 1}}, staircase: {stairs}"
    stages = stages_of(tmp_path, line)
    assert [stage.duration_s for stage in stages] == [1, 4, 1, 4, 1, 4]
    expected = expected_counts(stages)
    assert [expected[f"climb-{n}", "buy"] for n in (1, 2, 3)] == [100, 250, 400]
    whole = list(arrivals(stages, 5))
    for (stage, journey), wanted in expected.items():
        came = sum(a.stage == stage and a.journey == journey for a in whole)
        assert abs(came - wanted) <= (1 if spacing == "even" else 5 * math.sqrt(wanted))


DIGEST = """
from tests.unit.test_load_schedule_properties import SAME, digest
print(digest(SAME))
"""
SAME = (
    Stage(
        "rush",
        0.0,
        5.0,
        (
            Arrivals("buy", (Ramp(5.0, 10, 90),)),
            Arrivals("browse", (Ramp(5.0, 40, 40),), is_even=True),
        ),
    ),
)


def digest(stages: tuple[Stage, ...]) -> str:
    """Of every arrival's time to the last bit, journey and index."""
    lines = [f"{a.due_s.hex()} {a.journey} {a.index}" for a in arrivals(stages, 42)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_is_the_same_in_every_process(hash_seed: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", DIGEST],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.strip() == digest(SAME)
