"""The cap on the rate: before the start by the schedule, and while requests are sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.exchange import HeldBackError
from flashdrill.load.peak import check_peak, counted_peak, planned_peak
from flashdrill.load.rate_cap import RateCap
from flashdrill.model.hosts import LOOPBACK_ONLY, Admission
from flashdrill.model.rate_cap import AWAY_PER_S, rate_cap
from flashdrill.model.scenario import (
    Arrivals,
    Limits,
    Ramp,
    RecordedArrivals,
    Scenario,
    Stage,
    World,
)
from tests.unit.crowds import ramp, steady

UP_AND_DOWN = Arrivals("buy", (Ramp(4, 0, 100), Ramp(6, 100, 0)))
STAGES = (
    Stage("calm", 0, 10, (steady("buy", 40, 10),)),
    Stage("rush", 10, 10, (UP_AND_DOWN, ramp("browse", 50, 0, 10))),
)


def scenario(*stages: Stage, seed: int = 1) -> Scenario:
    return Scenario("s", Path("s.yaml"), Path("c.py"), stages, World(1, ()), seed=seed)


def test_the_planned_peak_is_that_of_the_sum_and_between_the_ends() -> None:
    peak = planned_peak(STAGES)
    assert (peak.per_s, peak.stage) == (pytest.approx(130), "rush")


def test_a_long_wave_has_the_peak_of_its_crests_and_takes_no_time_to_look_at() -> None:
    wave = tuple(Ramp(0.5, *ends) for _ in range(10_000) for ends in ((80, 120), (120, 80)))
    stages = (Stage("wave", 0, 10_000, (Arrivals("buy", wave), steady("browse", 5, 10_000))),)
    assert planned_peak(stages).per_s == pytest.approx(125)


def test_where_a_rate_jumps_the_higher_one_counts() -> None:
    jump = Arrivals("buy", (Ramp(5, 100, 100), Ramp(5, 10, 10)))
    assert planned_peak((Stage("jump", 0, 10, (jump,)),)).per_s == 100
    assert planned_peak((Stage("idle", 0, 10),)).per_s == 0
    other = Arrivals("browse", (Ramp(5, 10, 10), Ramp(5, 100, 100)))  # it takes over at that moment
    assert planned_peak((Stage("jump", 0, 10, (jump, other)),)).per_s == 110


def test_a_recording_has_the_peak_of_its_busiest_second_wherever_it_begins() -> None:
    times = (0.0, 0.5, 0.9, 1.1, 1.2, 1.3, 3.0)  # five within the second from 0.5
    stage = Stage("recorded", 0, 4, recorded=(RecordedArrivals("buy", times),))
    assert planned_peak((stage,)).per_s == 5
    check_peak(scenario(stage), 5)
    with pytest.raises(ConfigError, match="up to 5 arrivals in a second, and the cap is 4/s"):
        check_peak(scenario(stage), 4)


@pytest.mark.parametrize("cap", [1, 129])
def test_a_schedule_above_the_cap_is_refused_with_both_numbers_and_the_stage(cap: float) -> None:
    with pytest.raises(
        ConfigError, match=f"s.yaml: stage 'rush' has up to 130 .* the cap is {cap}/s"
    ) as refused:
        check_peak(scenario(*STAGES), cap)
    assert "limits.rate_max: 160/s" in refused.value.remedy


def test_chance_may_bring_more_in_a_second_than_the_rate_says() -> None:
    """Planned are 100/s, and the cap is 100/s: this seed's own busiest second decides."""
    stage = Stage("rush", 0, 30, (steady("buy", 100, 30),))
    most = counted_peak((stage,), 1).per_s
    assert 105 < most < 160
    check_peak(scenario(stage), most)
    with pytest.raises(ConfigError, match=f"up to {most:.0f} arrivals"):
        check_peak(scenario(stage), most - 1)


def test_without_a_cap_nothing_is_refused_and_elsewhere_there_is_one() -> None:
    away = Admission({"shop.example.com": ("203.0.113.7",)})
    check_peak(scenario(Stage("rush", 0, 1, (steady("buy", 1e6, 1),))), None)
    assert rate_cap(Limits(), LOOPBACK_ONLY) is None
    assert rate_cap(Limits(), away) == AWAY_PER_S
    assert rate_cap(replace(Limits(), rate_max=5.0), LOOPBACK_ONLY) == 5
    assert rate_cap(replace(Limits(), rate_max=5000.0), away) == 5000


def test_the_request_that_would_be_too_much_is_not_sent_and_said_once() -> None:
    told: list[int] = []
    cap = RateCap(100.0, 1, told.append)
    for second in range(3):
        for n in range(100):
            cap.count(second * 10**9 + n)
    assert not told
    for _ in range(2):
        with pytest.raises(HeldBackError):
            cap.count(2 * 10**9 + 500)
    with pytest.raises(HeldBackError):  # later too: the run is over
        cap.count(9 * 10**9)
    assert told == [100]


def test_load_processes_share_it_and_arrivals_dealt_out_still_fit() -> None:
    caps = [RateCap(10.0, 3, lambda _: None) for _ in range(3)]
    for n in range(10):
        caps[n % 3].count(n)
    with pytest.raises(HeldBackError):
        for _ in range(10):
            caps[0].count(20)
