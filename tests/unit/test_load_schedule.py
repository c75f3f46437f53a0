from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from scipy.stats import kstest

from flashdrill.load.schedule import arrivals, expected_counts, stage_at
from flashdrill.model.scenario import RecordedArrivals, Stage
from tests.unit.crowds import ramp, steady

STAGES = (
    Stage("browse", 0, 10, (steady("browse", 30, 10), steady("order", 10, 10))),
    Stage("rush", 10, 40, (ramp("order", 20, 120, 40), steady("browse", 15, 40))),
)


def test_a_seed_repeats_and_another_differs() -> None:
    assert list(arrivals(STAGES, 1)) == list(arrivals(STAGES, 1))
    assert list(arrivals(STAGES, 1)) != list(arrivals(STAGES, 2))


def test_arrivals_come_in_order_within_their_stage_and_are_counted_through() -> None:
    all_of_them = list(arrivals(STAGES, 3))
    assert [a.index for a in all_of_them] == list(range(len(all_of_them)))
    assert all(a.due_s <= b.due_s for a, b in pairwise(all_of_them))
    bounds = {stage.name: (stage.start_s, stage.end_s) for stage in STAGES}
    assert all(bounds[a.stage][0] <= a.due_s <= bounds[a.stage][1] for a in all_of_them)


def test_counts_are_those_expected_within_five_sigma() -> None:
    counts = Counter((a.stage, a.journey) for a in arrivals(STAGES, 4))
    expected = expected_counts(STAGES)
    assert expected["rush", "order"] == 2800
    assert counts.keys() == expected.keys()
    for key, mean in expected.items():
        assert abs(counts[key] - mean) < 5 * math.sqrt(mean), key


def test_a_steady_stream_has_exponential_gaps_and_a_pulse_would_not() -> None:
    stage = Stage("steady", 0, 100, (steady("order", 50, 100),))
    times = [a.due_s for a in arrivals((stage,), 5)]
    gaps = [b - a for a, b in pairwise(times)]
    assert kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    assert kstest([1 / 50] * len(gaps), "expon", args=(0, 1 / 50)).pvalue < 0.001


@pytest.mark.parametrize(("low", "high"), [(0, 100), (100, 0), (20, 120), (50, 50)])
def test_a_ramp_is_uniform_after_time_rescaling(low: float, high: float) -> None:
    stage = Stage("ramp", 5, 60, (ramp("order", low, high, 60),))
    slope = (high - low) / 60
    total = (low + high) / 2 * 60
    times = [a.due_s - 5 for a in arrivals((stage,), 6)]
    shares = [(low * t + slope * t * t / 2) / total for t in times]
    assert kstest(shares, "uniform").pvalue > 0.001


def test_no_rate_no_arrivals() -> None:
    assert not list(arrivals((Stage("calm", 0, 10, (steady("order", 0, 10),)),), 1))


def test_a_journey_keeps_its_times_when_another_is_added() -> None:
    alone = Stage("s", 0, 10, (steady("order", 20, 10),))
    both = Stage("s", 0, 10, (steady("order", 20, 10), steady("browse", 30, 10)))
    times = [a.due_s for a in arrivals((both,), 1) if a.journey == "order"]
    assert times == [a.due_s for a in arrivals((alone,), 1)]


def test_recorded_arrivals_come_exactly_when_they_did() -> None:
    recorded = (
        RecordedArrivals("browse", (0.0, 0.5, 0.5, 7.25)),
        RecordedArrivals("order", (0.25,)),
    )
    stage = Stage("replay", 2, 10, recorded=recorded)
    assert [(a.due_s, a.journey) for a in arrivals((stage,), 1)] == [
        (2.0, "browse"),
        (2.25, "order"),
        (2.5, "browse"),
        (2.5, "browse"),
        (9.25, "browse"),
    ]
    assert expected_counts((stage,)) == {("replay", "browse"): 4, ("replay", "order"): 1}


def test_workers_share_the_schedule_without_loss_or_overlap() -> None:
    parts = [list(arrivals(STAGES, 1, worker=w, workers=3)) for w in range(3)]
    together = sorted((a for part in parts for a in part), key=lambda a: a.index)
    assert together == list(arrivals(STAGES, 1))


def test_the_stage_of_a_time() -> None:
    assert [stage_at(STAGES, t) for t in (-1, 0, 9.99, 10, 49, 70)] == (
        ["browse"] * 3 + ["rush"] * 3
    )
