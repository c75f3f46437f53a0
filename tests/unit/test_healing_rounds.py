"""The timetables of `make soak-healing`: repeatable, without collisions, and fair to every fault."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from flashdrill.plan.known import known_faults
from flashdrill.plan.without_load import load_plan_without_load
from flashdrill.rehearsal.topology import target_names
from scripts.faults.catalogue import every_fault
from scripts.healing.rounds import LENGTH_S, LONGEST_S, Round, draw, lanes, write

ROUNDS = 30


def span(fault: dict[str, str]) -> tuple[float, float]:
    start_s = float(fault["at"][:-1])
    return start_s, start_s + float(fault["for"][:-1])


def at_the_kill(drawn: Round) -> list[str]:
    spans = ((fault["id"], *span(fault)) for fault in drawn.document["faults"])
    return [name for name, start_s, end_s in spans if start_s < drawn.kill_s < end_s]


def played() -> list[Round]:
    """As the soak draws them, if every kill met what it was meant to meet."""
    every, seen, found = lanes(known_faults()), Counter[str](), []
    for number in range(1, ROUNDS + 1):
        found.append(draw(number, every, seen, seed=1))
        seen.update(at_the_kill(found[-1]))
    return found


def test_every_fault_is_in_force_at_some_kill() -> None:
    met = {name for drawn in played() for name in at_the_kill(drawn)}
    assert {line.id for line in every_fault()} - met == set()


def test_the_same_seed_draws_the_same() -> None:
    every = lanes(known_faults())
    first, again, other = (draw(3, every, Counter(), seed) for seed in (1, 1, 2))
    assert first == again != other


def test_faults_of_one_lane_come_one_after_the_other_and_the_plan_is_good(tmp_path: Path) -> None:
    every = lanes(known_faults())
    where = {fault["id"]: name for name, lane in every.items() for fault in lane}
    for drawn in played()[:5]:
        assert 0 < drawn.kill_s <= LENGTH_S
        ends: dict[str, float] = {}
        for fault in drawn.document["faults"]:
            start_s, end_s = span(fault)
            lane = where[fault["id"]]
            assert ends.get(lane, 0.0) <= start_s <= end_s <= LENGTH_S + LONGEST_S
            ends[lane] = end_s
        load_plan_without_load(write(drawn, tmp_path), known_faults(), target_names())
