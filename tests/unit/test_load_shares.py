"""Shares of a schedule: together they are all of it, and they begin at one moment."""

from __future__ import annotations

import pytest

from flashdrill.load.clocks import SAME, Reading, reading
from flashdrill.load.schedule import arrivals
from flashdrill.load.shares import Share, divided
from flashdrill.model.scenario import RecordedArrivals, Stage
from tests.unit.crowds import ramp, steady

STAGES = (
    Stage("rush", 0.0, 5.0, (ramp("order", 20, 60, 5.0), steady("browse", 10, 5.0))),
    Stage("replay", 5.0, 5.0, (), (RecordedArrivals("order", (0.1, 0.1, 2.5)),)),
)


@pytest.mark.parametrize("workers", range(1, 6))
def test_the_shares_are_the_whole_schedule_and_nothing_is_in_two(workers: int) -> None:
    whole = list(arrivals(STAGES, 7))
    shares = divided({f"w{n}": SAME for n in range(workers)}, 1)
    sent = [
        arrival
        for share in shares.values()
        for arrival in arrivals(STAGES, 7, worker=share.worker, workers=share.workers)
    ]
    assert sorted(sent, key=lambda arrival: arrival.index) == whole
    assert {arrival.stage for arrival in sent} == {"rush", "replay"}


def test_a_share_survives_the_way() -> None:
    share = divided({"b": Reading(-7, 3), "a": SAME}, 10_000)["b"]
    assert Share.from_message(share.message()) == share == Share(10_000, 1, 2, Reading(-7, 3))


def test_the_start_is_one_moment_on_clocks_that_differ() -> None:
    # Master at 9,000; one worker's wall clock agrees, the other's is 2,000 ahead.
    same, ahead = Share(10_000), Share(10_000, clock=Reading(2_000, 10))
    assert same.monotonic_ns(epoch_now_ns=9_000, monotonic_now_ns=50) == 1_050
    assert ahead.monotonic_ns(epoch_now_ns=11_000, monotonic_now_ns=70) == 1_070


def test_a_clock_is_read_from_the_middle_of_the_way_and_doubted_by_half_of_it() -> None:
    read = reading(asked_ns=1_000, told_ns=6_200, heard_ns=1_400)
    assert (read.ahead_ns, read.error_ns) == (5_000, 200)
    assert read.correction_ns == 5_000


def test_a_difference_that_is_less_than_its_error_is_none() -> None:
    assert reading(asked_ns=1_000, told_ns=1_100, heard_ns=1_400).correction_ns == 0
    assert "+5.0 ms ± 0.5 ms" in str(Reading(5_000_000, 500_000))
