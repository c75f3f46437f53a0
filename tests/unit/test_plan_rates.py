"""Rates over a stage: what each form becomes, and what cannot be."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.schedule import arrivals, expected_counts
from flashdrill.model.scenario import Arrivals, Ramp, Scenario, Stage
from flashdrill.plan.scenario import load_scenario
from tests.unit.crowds import steady

HEAD = """\
name: s
locustfile: crowd.py
world: {users: 10, products: [{sku: a, price: "1.00", stock: 1}]}
stages:
"""


def scenario_of(folder: Path, *lines: str) -> Scenario:
    (folder / "crowd.py").touch()
    path = folder / "s.yaml"
    path.write_text(HEAD + "".join(f"  - {{{line}}}\n" for line in lines))
    return load_scenario(path)


def stages_of(folder: Path, *lines: str) -> tuple[Stage, ...]:
    return scenario_of(folder, *lines).stages


def ramps_of(folder: Path, rate: str) -> tuple[Ramp, ...]:
    (stage,) = stages_of(folder, f"name: rush, duration: 10s, arrivals: {{buy: {rate}}}")
    (found,) = stage.arrivals
    assert math.isclose(sum(ramp.duration_s for ramp in found.rate), 10)
    return found.rate


@pytest.mark.parametrize(
    ("rate", "ramps"),
    [
        ("40/s", (Ramp(10, 40, 40),)),
        ("{from: 40/s, to: 160/s}", (Ramp(10, 40, 160),)),
        (
            "{base: 40/s, peak: 400/s, at: 5s, for: 2s}",
            (Ramp(5, 40, 40), Ramp(2, 400, 400), Ramp(3, 40, 40)),
        ),
        (
            "{base: 40/s, peak: 400/s, at: 0s, for: 8s, rise: 1s}",
            (Ramp(1, 40, 400), Ramp(8, 400, 400), Ramp(1, 400, 40)),
        ),
        (
            "{base: 40/s, peak: 400/s, at: 9.8s, for: 200ms}",
            (Ramp(9.8, 40, 40), Ramp(0.2, 400, 400)),
        ),
        (
            "[{at: 2s, rate: 10/s}, {at: 4s, rate: 90/s}]",
            (Ramp(2, 10, 10), Ramp(2, 10, 90), Ramp(6, 90, 90)),
        ),
        (
            "[{at: 0s, rate: 10/s}, {at: 5s, rate: 10/s}, {at: 5s, rate: 0/s}]",
            (Ramp(5, 10, 10), Ramp(5, 0, 0)),
        ),
    ],
)
def test_each_form_becomes_ramps(tmp_path: Path, rate: str, ramps: tuple[Ramp, ...]) -> None:
    assert ramps_of(tmp_path, rate) == ramps


def test_a_wave_is_a_sine_to_within_a_fraction_of_its_swing(tmp_path: Path) -> None:
    ramps = ramps_of(tmp_path, "{mean: 100/s, swing: 50/s, period: 4s}")
    time_s, worst = 0.0, 0.0
    for ramp in ramps:
        middle_s = time_s + ramp.duration_s / 2
        sine = 100 + 50 * math.sin(2 * math.pi * middle_s / 4)
        worst = max(worst, abs((ramp.from_per_s + ramp.to_per_s) / 2 - sine))
        time_s += ramp.duration_s
    assert worst < 0.002 * 50
    area = 1000 + 50 * 4 / (2 * math.pi) * (1 - math.cos(5 * math.pi))
    assert math.isclose(sum(ramp.expected for ramp in ramps), area, rel_tol=0.001)


def test_a_mix_shares_the_rate_out(tmp_path: Path) -> None:
    (stage,) = stages_of(
        tmp_path,
        "name: rush, duration: 10s, rate: {from: 40/s, to: 80/s}, mix: {buy: 1, browse: 3}",
    )
    assert stage.arrivals == (
        Arrivals("buy", (Ramp(10, 10, 20),)),
        Arrivals("browse", (Ramp(10, 30, 60),)),
    )


def test_a_staircase_is_a_stage_for_each_step_and_each_warm_up(tmp_path: Path) -> None:
    stairs = "{from: 100/s, to: 350/s, step: 100/s, hold: 20s, warm_up: 5s}"
    last = "name: end, duration: 1s"
    stages = stages_of(
        tmp_path, f"name: climb, staircase: {stairs}, mix: {{buy: 1}}, spacing: even", last
    )
    assert [(stage.name, stage.start_s, stage.duration_s) for stage in stages] == [
        ("climb-1-up", 0, 5),
        ("climb-1", 5, 20),
        ("climb-2-up", 25, 5),
        ("climb-2", 30, 20),
        ("climb-3-up", 50, 5),
        ("climb-3", 55, 20),
        ("end", 75, 1),
    ]
    assert [stage.arrivals[0].peak_per_s for stage in stages[:-1]] == [100, 100, 200, 200, 300, 300]
    assert all(stage.arrivals[0].is_even for stage in stages[:-1])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("duration: 10s, arrivals: {b: {base: 1/s, peak: 9/s, at: 9s, for: 2s}}", "the spike is over 11s"),
        ("duration: 10s, arrivals: {b: {mean: 1/s, swing: 2/s, period: 2s}}", "below zero"),
        ("duration: 10s, arrivals: {b: {mean: 9/s, swing: 2/s, period: 0.0019s}}", "has more than 5,000 of them"),
        ("duration: 10s, arrivals: {b: [{at: 1s, rate: 1/s}]}", "at least 2"),
        ("duration: 10s, arrivals: {b: [{at: 2s, rate: 1/s}, {at: 1s, rate: 1/s}]}", "must ascend"),
        ("duration: 10s, arrivals: {b: [{at: 2s, rate: 1/s}, {at: 11s, rate: 1/s}]}", "the stage is over after 10s"),
        ("duration: 10s, arrivals: {b: {from: 1/s}}", "a ramp needs 'to'"),
        ("duration: 10s, arrivals: {b: {peak: 1/s}}", "a spike needs 'base'"),
        ("duration: 10s, arrivals: {b: {period: 1s}}", "a wave needs 'mean'"),
        ("duration: 10s, arrivals: {b: 1/s}, rate: 1/s, mix: {b: 1}", "one of 'arrivals' and 'rate'"),
        ("duration: 10s, rate: 1/s", "'rate' needs 'mix'"),
        ("duration: 10s, mix: {b: 1}", "'mix' needs 'rate'"),
        ("duration: 10s, rate: 1/s, mix: {}", "the mix is empty"),
        ("duration: 10s, rate: 1/s, mix: {b: -1}", "out of range"),
        ("arrivals: {b: 1/s}", "a stage needs 'duration'"),
        ("duration: 10s, arrivals: {b: 1/s}, spacing: odd", "poisson or even"),
        ("duration: 9s, staircase: {from: 1/s, to: 2/s, step: 1/s, hold: 1s}, mix: {b: 1}", "no 'duration' of its own"),
        ("staircase: {from: 1/s, to: 2/s, step: 1/s, hold: 1s}", "'staircase' needs 'mix'"),
        ("staircase: {from: 3/s, to: 2/s, step: 1/s, hold: 1s}, mix: {b: 1}", "a staircase climbs"),
        ("staircase: {from: 1/s, to: 2/s, step: 0/s, hold: 1s}, mix: {b: 1}", "more than 0/s"),
        ("staircase: {from: 0/s, to: 300/s, step: 1/s, hold: 1s}, mix: {b: 1}", "301 steps are more than 200"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        stages_of(tmp_path, "name: first, duration: 1s", f"name: rush, {line}")
    assert said in str(caught.value)
    assert "s.yaml:6: " in str(caught.value)


def test_two_stages_of_a_name_are_refused_even_when_a_staircase_makes_one(tmp_path: Path) -> None:
    stairs = "name: a, staircase: {from: 1/s, to: 2/s, step: 1/s, hold: 1s}, mix: {b: 1}"
    with pytest.raises(ConfigError, match="two stages are called 'a-2'"):
        stages_of(tmp_path, stairs, "name: a-2, duration: 1s")


PEAK = (Ramp(4, 10, 10), Ramp(0.5, 10, 200), Ramp(1, 200, 200), Ramp(0.5, 200, 10), Ramp(4, 10, 10))


def test_arrivals_follow_every_ramp() -> None:
    stage = Stage("s", 100, 10, (Arrivals("buy", PEAK),))
    counts: Counter[int] = Counter()
    for seed in range(50):
        for arrival in arrivals((stage,), seed):
            within_s = arrival.due_s - 100
            counts[next(n for n, end in enumerate((4, 4.5, 5.5, 6, 10)) if within_s <= end)] += 1
    for number, ramp in enumerate(PEAK):
        mean = ramp.expected * 50
        assert abs(counts[number] - mean) < 5 * math.sqrt(mean)
    assert expected_counts((stage,)) == {("s", "buy"): stage.arrivals[0].expected}


def test_even_arrivals_are_one_expected_arrival_apart() -> None:
    stage = Stage("s", 0, 10, (Arrivals("buy", PEAK, is_even=True), steady("browse", 7, 10)))
    times = [a.due_s for a in arrivals((stage,), 3) if a.journey == "buy"]
    assert abs(len(times) - stage.arrivals[0].expected) < 1
    gaps = [b - a for a, b in pairwise(t for t in times if t <= 4)]
    assert all(math.isclose(gap, 0.1) for gap in gaps)
    gaps = [b - a for a, b in pairwise(t for t in times if 4.5 <= t <= 5.5)]
    assert all(math.isclose(gap, 1 / 200) for gap in gaps)


def test_a_rate_that_starts_from_nothing_has_a_first_arrival() -> None:
    ramps = (Ramp(1, 2.5, 2.5), Ramp(1, 0, 10))
    for seed in range(200):
        stage = Stage("s", 0, 2, (Arrivals("buy", ramps, is_even=True),))
        times = [arrival.due_s for arrival in arrivals((stage,), seed)]
        assert times == sorted(times)
        assert abs(len(times) - 7.5) < 1


def test_a_staircase_that_stops_at_its_knee_gives_its_first_step_only(tmp_path: Path) -> None:
    stairs = "{from: 100/s, to: 350/s, step: 100/s, hold: 20s, warm_up: 5s, stop_at_knee: true, bisect: 2}"
    climb = f"name: climb, staircase: {stairs}, mix: {{buy: 1, browse: 3}}"
    scenario = scenario_of(tmp_path, "name: calm, duration: 3s", climb)
    found = scenario.climb
    assert found is not None
    assert (found.start_s, found.rates, found.bisections) == (3.0, (100, 200, 300), 2)
    assert [s.name for s in scenario.stages] == [
        "calm",
        *(f"climb-{n}{up}" for n in (1, 2, 3) for up in ("-up", "")),
    ]
    assert scenario.given_stages == scenario.stages[:3]
    assert found.stages("1", 100, 3.0) == scenario.stages[1:3]
    assert scenario.longest_s > scenario.duration_s


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (("{}, stop_at_knee: true", "name: end, duration: 1s"), "no stage can come after it"),
        (("{}, bisect: 2",), "'bisect' needs 'stop_at_knee: true'"),
        (
            ("{}, hold: 1s, stop_at_knee: true",),
            "too short to be judged while it goes on: at least 2 s",
        ),
    ],
)
def test_a_staircase_that_cannot_stop_at_its_knee_is_refused(
    tmp_path: Path, stages: tuple[str, ...], said: str
) -> None:
    first, *others = stages
    keys = first.format("from: 1/s, to: 2/s, step: 1/s" + ("" if "hold" in first else ", hold: 5s"))
    climb = f"name: climb, staircase: {{{keys}}}, mix: {{buy: 1}}"
    with pytest.raises(ConfigError, match=said):
        scenario_of(tmp_path, climb, *others)
