"""Shares of a schedule: together they are all of it, and they begin at one moment."""

from __future__ import annotations

import pytest

from flashdrill.load.schedule import arrivals
from flashdrill.load.shares import Part, Share, divided, lines
from flashdrill.model.scenario import Arrivals, RecordedArrivals, Stage

STAGES = (
    Stage("rush", 0.0, 5.0, (Arrivals("order", 20, 60), Arrivals("browse", 10, 10))),
    Stage("replay", 5.0, 5.0, (), (RecordedArrivals("order", (0.1, 0.1, 2.5)),)),
)
COUNTS = {"due": 7, "sent": 7, "ok": 5, "queued": 1, "refused": 1, "fail": 0, "info": 1}


@pytest.mark.parametrize("workers", range(1, 6))
def test_the_shares_are_the_whole_schedule_and_nothing_is_in_two(workers: int) -> None:
    whole = list(arrivals(STAGES, 7))
    shares = divided([f"w{n}" for n in range(workers)], 1)
    sent = [
        arrival
        for share in shares.values()
        for arrival in arrivals(STAGES, 7, worker=share.worker, workers=share.workers)
    ]
    assert sorted(sent, key=lambda arrival: arrival.index) == whole


def test_a_share_survives_the_way_and_begins_at_one_moment_on_clocks_of_their_own() -> None:
    share = divided(["b", "a"], 10_000)["b"]
    assert Share.from_message(share.message()) == share == Share(10_000, 1, 2)
    assert share.monotonic_ns(epoch_now_ns=9_000, monotonic_now_ns=50) == 1_050
    assert share.monotonic_ns(epoch_now_ns=11_000, monotonic_now_ns=7_000) == 6_000


def test_the_end_tells_of_each_share_and_of_the_missing_one() -> None:
    shares = divided(["a", "b"], 1)
    parts = {
        "a": Part.from_message(Part(0, COUNTS, ("stage rush cannot be trusted: late",)).message())
    }
    first, second, whole = lines(shares, parts)
    assert first == (
        "worker 1 of 2: 7 due, 7 sent, 5 ok, 1 queued, 1 refused, 0 failed, 1 unknown; "
        "stage rush cannot be trusted: late"
    )
    assert second == "worker 2 of 2: gone, what became of its share is not known"
    assert whole.endswith("1 of 2 shares are missing: this was not the whole schedule")
    complete = lines(shares, {"a": Part(0, COUNTS), "b": Part(1, COUNTS)})
    assert complete[-1].startswith("in all: 14 due, 14 sent, 10 ok")
    assert "missing" not in complete[-1]
