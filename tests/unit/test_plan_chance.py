"""What is left to chance stays in its bounds, depends on the seed and the fault alone, and can be repeated anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashdrill.model import chance
from flashdrill.model.faults import FaultPlan
from flashdrill.plan.faults import load_plan, merge
from flashdrill.plan.moments import Span, parse_extent, parse_moment
from flashdrill.plan.ranges import Range
from tests.unit.plans import ALL_KINDS, SHARDS, TARGETS, by_id, plan_of, scenario, written

LIST = ", ".join(SHARDS)
DICE = (
    f"id: dice, kind: latency, target: [{LIST}], choose: 2, at: rush + 1s..4s, for: 1s..2s, "
    "latency: 100ms..400ms, toxicity: 20%..60%, repeat: 3, every: 8s"
)
SIZES = (
    "id: sizes, kind: sizes, target: redis, at: rush.end - 2s..6s, for: 5%..10%, count: 2..5, "
    "bytes: 1KB..1MB, rate: 10/s..20/s, share: 0.1..0.5"
)
LATER = "id: later, kind: kill, target: backend, at: dice-2.end + 1s..2s, for: 1s"
WHEN = f"id: when, kind: cut, target: [{LIST}], when: rate(x) > 9/s, after: rush + 1s..9s, until: 45s..50s, for: 1s..3s"
LINES = (DICE, SIZES, LATER, WHEN)
seeds = st.integers(min_value=0, max_value=2**53)
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def timetable(plan: FaultPlan) -> dict[str, Any]:
    """Everything about its faults that a run depends on."""
    return {f.id: {**asdict(f), "line": 0} for f in plan.faults}


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.floats(0, 1))
def test_whole_numbers_stay_in_their_bounds(low: int, more: int, place: float) -> None:
    value = Range(low, low + more).at(place)
    assert isinstance(value, int)
    assert low <= value <= low + more


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_numbers_stay_in_their_bounds(low: float, more: float, place: float) -> None:
    assert low <= Range(low, low + more).at(place) <= low + more


def test_both_bounds_are_reached() -> None:
    values = {Range(2, 5).at(chance.place(seed, "a")) for seed in range(200)}
    assert values == {2, 3, 4, 5}
    assert (Range(0.1, 0.4).at(0.0), Range(0.1, 0.4).at(1.0)) == (0.1, 0.4)


@given(
    sign=st.sampled_from(["+", "-"]),
    low=st.integers(0, 5000),
    more=st.integers(0, 5000),
    unit=st.sampled_from(["ms", "%"]),
    edge=st.sampled_from(["", ".start", ".end"]),
    place=st.floats(0, 1),
)
def test_moments_stay_between_their_earliest_and_their_latest(
    sign: str, low: int, more: int, unit: str, edge: str, place: float
) -> None:
    scale = 100 if unit == "%" else 1
    text = f"rush{edge} {sign} {low / scale:.2f}{unit}..{(low + more) / scale:.2f}{unit}"
    moment, span = parse_moment(text), Span(10.0, 20.0)
    assert moment.within(span, 0.0) <= moment.within(span, place) <= moment.within(span, 1.0)
    width_s = moment.within(span, 1.0) - moment.within(span, 0.0)
    assert width_s == pytest.approx(moment.spread_s(span.duration_s))


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.floats(0, 1))
def test_lengths_stay_in_their_bounds(low_ms: int, more_ms: int, place: float) -> None:
    length = parse_extent(f"{low_ms}ms..{low_ms + more_ms}ms")
    assert low_ms / 1000 <= length.of(99.0, place) <= (low_ms + more_ms) / 1000


@given(seed=seeds)
@quick
def test_all_that_is_drawn_is_in_bounds(tmp_path: Path, seed: int) -> None:
    plan = plan_of(tmp_path, *LINES, seed=seed)
    found = by_id(plan)
    for number in (1, 2, 3):
        first, second = found[f"dice-{number}-1"], found[f"dice-{number}-2"]
        base_s = 10 + 8 * (number - 1)
        assert base_s + 1 <= first.start_s <= base_s + 4
        assert 1 <= first.duration_s <= 2
        assert 0.1 <= first.parameters["latency"] <= 0.4
        assert 0.2 <= first.parameters["toxicity"] <= 0.6
        assert (first.start_s, first.parameters) == (second.start_s, second.parameters)
        assert first.target != second.target
        assert {first.target, second.target} <= set(SHARDS)
        assert first.drawn == {
            "target": first.target, "at": first.start_s, "for": first.duration_s,
            "latency": first.parameters["latency"], "toxicity": first.parameters["toxicity"],
        }  # fmt: skip
    sizes = found["sizes"]
    assert 24 <= sizes.start_s <= 28
    assert 1 <= sizes.duration_s <= 2
    assert sizes.parameters["count"] in {2, 3, 4, 5}
    assert 1024 <= sizes.parameters["bytes"] <= 1024**2
    assert isinstance(sizes.parameters["bytes"], int)
    assert 10 <= sizes.parameters["rate"] <= 20
    assert 0.1 <= sizes.parameters["share"] <= 0.5
    assert 1 <= found["later"].start_s - found["dice-2-1"].end_s <= 2
    when = found["when"].trigger
    assert when is not None
    assert 11 <= when.after_s <= 19
    assert 45 <= when.until_s <= 50
    assert found["when"].drawn.keys() == {"target", "after", "until", "for"}


@given(seed=seeds, other=seeds)
@quick
def test_one_seed_one_timetable(tmp_path: Path, seed: int, other: int) -> None:
    first = plan_of(tmp_path, *LINES, seed=seed)
    assert timetable(plan_of(tmp_path, *LINES, seed=seed)) == timetable(first)
    if other != seed:
        assert timetable(plan_of(tmp_path, *LINES, seed=other)) != timetable(first)


@given(seed=seeds)
@quick
def test_another_fault_in_the_plan_changes_nothing_for_the_others(
    tmp_path: Path, seed: int
) -> None:
    before = timetable(plan_of(tmp_path, DICE, SIZES, seed=seed))
    after = timetable(plan_of(tmp_path, LATER, SIZES, WHEN, DICE, seed=seed))
    assert {fault: after[fault] for fault in before} == before


def test_a_repetition_draws_anew(tmp_path: Path) -> None:
    found = by_id(plan_of(tmp_path, DICE))
    drawn = [found[f"dice-{n}-1"].drawn for n in (1, 2, 3)]
    assert len({d["latency"] for d in drawn}) == 3
    assert len({d["for"] for d in drawn}) == 3


def test_every_target_is_drawn_at_some_seed(tmp_path: Path) -> None:
    line = f"id: cut, kind: cut, target: [{LIST}], at: rush, for: 1s"
    hits = [plan_of(tmp_path, line, seed=seed).faults[0].target for seed in range(200)]
    assert all(30 <= hits.count(name) <= 70 for name in SHARDS), "a fair die, by and large"


def test_the_plans_own_seed_goes_before_the_runs(tmp_path: Path) -> None:
    own = plan_of(tmp_path, DICE, head="seed: 99\n", seed=1)
    assert timetable(own) == timetable(plan_of(tmp_path, DICE, head="seed: 99\n", seed=2))
    assert timetable(own) == timetable(plan_of(tmp_path, DICE, seed=99))
    assert own.seeds == {"night": 99}


def test_combined_plans_keep_their_seeds(tmp_path: Path) -> None:
    one = plan_of(tmp_path, DICE, head="seed: 99\n", name="one")
    two = plan_of(tmp_path, SIZES, name="two", seed=3)
    both = merge([one, two])
    assert both.seeds == {"one": 99, "two": 3}
    assert timetable(both) == timetable(one) | timetable(two)


def test_faults_have_seeds_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *LINES)
    own = [fault.seed for fault in plan.faults]
    assert len(set(own)) == len(own)
    assert all(isinstance(seed, int) and 0 <= seed < 2**53 for seed in own)


def test_what_was_known_once_stays() -> None:
    assert chance.derived(7, "dice-1", "at") == 863175748202109
    assert chance.sample(7, SHARDS, 4, "x") == ["shard1", "shard3", "shard0", "shard2"]


TELL = """\
import json, sys
from dataclasses import asdict
from pathlib import Path
from flashdrill.plan.faults import load_plan
from tests.unit.plans import ALL_KINDS, TARGETS, scenario
plan = load_plan(Path(sys.argv[1]), scenario(7), ALL_KINDS, TARGETS)
print(json.dumps([asdict(fault) for fault in plan.faults], default=str))
"""


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_comes_to_the_same(tmp_path: Path, hash_seed: str) -> None:
    path = written(tmp_path, *LINES)
    plan = load_plan(path, scenario(7), ALL_KINDS, TARGETS)
    told = subprocess.run(
        [sys.executable, "-c", TELL, str(path)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(told.stdout) == json.loads(
        json.dumps([asdict(fault) for fault in plan.faults], default=str)
    )


def test_a_run_with_the_drawn_values_written_out_is_the_same_run(tmp_path: Path) -> None:
    (one,) = plan_of(tmp_path, SIZES).faults
    line = (
        f"id: sizes, kind: sizes, target: redis, at: {one.start_s:.9f}s, for: {one.duration_s:.9f}s, "
        f"count: {one.parameters['count']}, bytes: {one.parameters['bytes']}B, "
        f"rate: {one.parameters['rate']}/s, share: {one.parameters['share']}"
    )
    (other,) = plan_of(tmp_path, line).faults
    assert replace(other, line=0, drawn={}) == replace(one, line=0, drawn={})
