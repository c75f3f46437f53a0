"""The timetable language: repetitions, lists of targets, conditions, and faults that follow others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flashdrill.chaos.catalogue import catalogue
from flashdrill.errors import ConfigError
from flashdrill.plan.fault_kinds import COMMON, FaultEntry
from flashdrill.plan.faults import check_plan, plan_table
from flashdrill.plan.source import Origin, compose
from tests.unit.planning import Kind, Parameter
from tests.unit.plans import ALL_KINDS, by_id, plan_of, written

CUT = "id: cut, kind: cut, target: shard1"
WHEN = f"{CUT}, when: rate(place_order) > 300/s, for: 4s"
CHECKER = jsonschema.Draft202012Validator(plan_table(ALL_KINDS).schema())


def refused_by_schema(path: Path) -> bool:
    return not CHECKER.is_valid(yaml.safe_load(path.read_text()))


# ---- repetitions and lists of targets -------------------------------------------------------------


def test_a_line_that_repeats_is_several_faults(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f"{CUT}, at: rush + 2s, for: 3s, repeat: 3, every: 5s")
    assert [(f.id, f.start_s, f.end_s) for f in plan.faults] == [
        ("cut-1", 12, 15), ("cut-2", 17, 20), ("cut-3", 22, 25),
    ]  # fmt: skip
    assert len({fault.seed for fault in plan.faults}) == 3


def test_others_refer_to_one_of_them_or_to_the_first(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "id: a, kind: kill, target: backend, at: cut-2 + 1s, for: 1s",
        "id: b, kind: kill, target: backend, at: cut.end, for: 1s",
        f"{CUT}, at: rush + 2s, for: 3s, repeat: 3, every: 5s",
    )
    found = by_id(plan)
    assert (found["a"].start_s, found["b"].start_s) == (18, 15)


def test_targets_that_are_chosen_at_once(tmp_path: Path) -> None:
    line = "id: cut, kind: cut, target: [shard0, shard1, shard2], choose: 2, at: rush, for: 2s..4s"
    first, second = plan_of(tmp_path, line).faults
    assert (first.id, second.id) == ("cut-1", "cut-2")
    assert first.target != second.target
    assert first.duration_s == second.duration_s
    assert first.drawn["target"] == first.target


def test_all_of_a_list_is_no_choice(tmp_path: Path) -> None:
    line = "id: cut, kind: cut, target: [shard2, shard0], choose: 2, at: rush, for: 2s"
    assert [(f.target, f.drawn) for f in plan_of(tmp_path, line).faults] == [
        ("shard2", {}), ("shard0", {}),
    ]  # fmt: skip


def test_repetitions_that_overlap_are_never_on_one_target(tmp_path: Path) -> None:
    for seed in range(30):
        line = (
            "id: cut, kind: cut, target: [shard0, shard1, shard2, shard3], choose: 2, at: 0s, "
            "for: 8s, repeat: 9, every: 5s"
        )
        plan = plan_of(tmp_path, line, seed=seed)
        assert [fault.id for fault in plan.faults][:3] == ["cut-1-1", "cut-1-2", "cut-2-1"]
        for one in plan.faults:
            for other in plan.faults:
                if one.id != other.id and one.start_s <= other.start_s < one.end_s:
                    assert one.target != other.target


# ---- conditions -----------------------------------------------------------------------------------


def test_a_condition_has_a_window(tmp_path: Path) -> None:
    (cut,) = plan_of(tmp_path, f"{WHEN}, after: rush + 1s, until: rush.end, optional: true").faults
    assert cut.trigger is not None
    assert cut.trigger.condition is not None
    assert cut.trigger.condition.text == "rate(place_order) > 300/s"
    assert (cut.trigger.after_s, cut.trigger.until_s, cut.trigger.is_optional) == (11, 30, True)
    assert (cut.start_s, cut.duration_s) == (11, 4)


def test_without_a_window_it_is_the_run_as_far_as_the_fault_fits(tmp_path: Path) -> None:
    (cut,) = plan_of(tmp_path, WHEN).faults
    assert cut.trigger is not None
    assert (cut.trigger.after_s, cut.trigger.until_s, cut.trigger.is_optional) == (0, 56, False)


def test_what_is_tied_to_a_fault_at_a_condition_follows_it(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        f"{WHEN}, until: rush.end, optional: true",
        "id: a, kind: kill, target: backend, at: cut.end - 1s, for: 1s",
        "id: b, kind: kill, target: backend, at: a + 2s, for: 1s",
    )
    found = by_id(plan)
    a, b = found["a"].trigger, found["b"].trigger
    assert a is not None
    assert b is not None
    assert (a.follows, a.offset_s, a.after_s, a.until_s) == ("cut", 3, 3, 33)
    assert (b.follows, b.offset_s, b.until_s) == ("a", 2, 35)
    assert a.condition is b.condition is None
    assert a.is_optional
    assert b.is_optional


def test_repetitions_of_a_condition_follow_each_other(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f"{WHEN}, after: rush, repeat: 2, every: 6s")
    first, second = (fault.trigger for fault in plan.faults)
    assert first is not None
    assert second is not None
    assert (first.follows, first.after_s) == ("", 10)
    assert (second.follows, second.offset_s, second.after_s) == ("cut-1", 6, 16)


def test_a_condition_may_be_looked_at_after_another_fault(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        WHEN,
        "id: next, kind: cut, target: shard2, when: rate(place_order) > 9/s, after: cut.end, for: 1s",
    )
    trigger = by_id(plan)["next"].trigger
    assert trigger is not None
    assert (trigger.follows, trigger.offset_s) == ("cut", 4)


# ---- mistakes -------------------------------------------------------------------------------------

BEYOND_A_SCHEMA = True
MISTAKES = [
    (f"{CUT}, for: 1s", "needs 'at' or 'when'", False),
    (f"{WHEN}, at: rush", "'at' or 'when', not both", False),
    (f"{CUT}, at: rush, for: 1s, after: rush", "'after' needs 'when'", False),
    (f"{CUT}, at: rush, for: 1s, until: rush", "'until' needs 'when'", False),
    (f"{CUT}, at: rush, for: 1s, optional: true", "'optional' needs 'when'", False),
    (f"{CUT}, at: rush, for: 1s, repeat: 3", "'repeat' needs 'every'", False),
    (f"{CUT}, at: rush, for: 1s, every: 3s", "'every' needs 'repeat'", False),
    (f"{CUT}, at: rush, for: 1s, repeat: 1, every: 3s", "1 is out of range", False),
    (f"{CUT}, at: rush, for: 1s, every: 0s, repeat: 2", "above zero", False),
    (f"{CUT}, at: rush, for: 1s, choose: 1", "'choose' needs a list", False),
    (f"{CUT}, at: rush, for: 1s, repaet: 3", "did you mean 'repeat'?", False),
    (
        f"{CUT}, at: rush, for: 1s, repeat: 3, every: 900ms",
        "overlap itself on shard1",
        BEYOND_A_SCHEMA,
    ),
    (
        f"{CUT}, at: rush + 1s..3s, for: 1s, repeat: 3, every: 2s",
        "up to 2 s later than the one before",
        BEYOND_A_SCHEMA,
    ),
    (f"{CUT}, at: rush, for: 10%, repeat: 3, every: 1s", "lasts up to 2 s", BEYOND_A_SCHEMA),
    (
        "id: cut, kind: cut, target: [shard0, shard0], at: rush, for: 1s",
        "'shard0' is named twice",
        False,
    ),
    ("id: cut, kind: cut, target: [], at: rush, for: 1s", "at least 1 entry", False),
    (
        "id: cut, kind: cut, target: [shard0, shrad1], at: rush, for: 1s",
        "did you mean 'shard1'?",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: cut, kind: cut, target: [shard0, redis], at: rush, for: 1s",
        "cut cannot be done to 'redis'",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: cut, kind: cut, target: [shard0, shard1], choose: 3, at: rush, for: 1s",
        "3 targets cannot be chosen of 2",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: cut, kind: cut, target: [shard0, shard1], at: rush, for: 3s, repeat: 3, every: 1s",
        "they take 3, and there are 2",
        BEYOND_A_SCHEMA,
    ),
    (f"{CUT}, when: lots of orders, for: 1s", "unknown metric", False),
    (
        f"{WHEN}, until: steady.end - 2s",
        "may end at 62 s, after the run's end at 60 s",
        BEYOND_A_SCHEMA,
    ),
    (f"{WHEN}, after: steady, until: rush", "not before 30 s, and not after 10 s", BEYOND_A_SCHEMA),
    (
        f"{CUT}, when: rate(place_order) > 3/s for 20s, for: 4s, until: 10s",
        "no moment to start at: not before 20 s, and not after 10 s",
        BEYOND_A_SCHEMA,
    ),
    (f"{WHEN}, after: rash", "no stage or fault 'rash'; did you mean 'rush'?", BEYOND_A_SCHEMA),
    (f"{WHEN}, after: cut + 1s", "wait for each other: cut -> cut", BEYOND_A_SCHEMA),
    (
        f"{CUT}, at: rush + 1s, for: 1s, repeat: 20, every: 3s",
        "fault 'cut-18' ends at 63 s, after the run's end",
        BEYOND_A_SCHEMA,
    ),
    (f"{CUT}, at: rush + 8s..2s, for: 1s", "the first is the larger", BEYOND_A_SCHEMA),
    (f"{CUT}, at: rush + 2s..10%, for: 1s", "mixes a duration with a percentage", BEYOND_A_SCHEMA),
    (f"{CUT}, at: steady + 20s..29.5s, for: 1s", "may end at 60.5 s", BEYOND_A_SCHEMA),
    (f"{CUT}, at: rush, for: 1s..2s..3s", "expected two bounds", False),
    (f"{CUT}, at: browse - 0s..2s, for: 1s", "may start 2 s before the run does", BEYOND_A_SCHEMA),
    (f"{CUT}, at: 1..2s, for: 1s", "is not a moment", False),
    (f"{CUT}, at: rush, for: 0s..2s", "above zero", BEYOND_A_SCHEMA),
    (
        "id: x, kind: sizes, target: redis, at: rush, for: 1s, count: 5..2",
        "the first is the larger",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: x, kind: sizes, target: redis, at: rush, for: 1s, count: 1__0",
        "a whole number",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: x, kind: sizes, target: redis, at: rush, for: 1s, count: 5..2.5",
        "expected a whole number",
        False,
    ),
    (
        "id: x, kind: sizes, target: redis, at: rush, for: 1s, share: 20%..200%",
        "more than all of it",
        BEYOND_A_SCHEMA,
    ),
    (
        "id: x, kind: sizes, target: redis, at: rush, for: 1s, bytes: 1..2KB",
        "'1' has no unit",
        False,
    ),
]


@pytest.mark.parametrize(("line", "says", "is_beyond"), MISTAKES)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, line: str, says: str, is_beyond: bool
) -> None:
    good = "id: good, kind: kill, target: backend, at: 1s, for: 1s"
    with pytest.raises(ConfigError) as error:
        plan_of(tmp_path, good, line)
    assert says in str(error.value)
    assert error.value.line == 4
    assert refused_by_schema(written(tmp_path, good, line)) is not is_beyond


GOOD = [
    f"{CUT}, at: rush + 2s..8s, for: 2s..5s",
    f"{CUT}, at: rush + 10% .. 50%, for: 5%..10%",
    f"{CUT}, at: 2s..8s, for: 1s, repeat: 2, every: 10s",
    f"{WHEN}, after: 10%, until: rush.end, optional: true",
    "id: cut, kind: cut, target: [shard0, shard1], choose: 2, at: rush, for: 1s",
    "id: x, kind: sizes, target: redis, at: rush, for: 1s, count: 2..5, share: 10%..0.5, "
    "rate: 10/s..1200/min, bytes: 100B..2KB",
]


@pytest.mark.parametrize("line", GOOD)
def test_the_schema_takes_what_is_good(tmp_path: Path, line: str) -> None:
    head = "seed: 3\nblast_radius: {connections: 100%, users: 100%, shards: 4, at_once: 9}\n"
    assert plan_of(tmp_path, line, head=head).faults
    assert not refused_by_schema(written(tmp_path, line, head=head))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("id: cut-2, kind: kill, target: backend, at: 1s, for: 1s", "two faults have the id 'cut-2'"),
        ("id: a, kind: kill, target: backend, at: cut - 1s, for: 1s", "nothing can come before it"),
        ("id: a, kind: kill, target: backend, at: cut + 9s, for: 1s", "'cut' starts as late as it may"),
        (
            "id: a, kind: cut, target: shard2, when: rate(x) > 1/s, until: cut, for: 1s",
            "when 'cut' starts is decided in the run",
        ),
    ],
)  # fmt: skip
def test_mistakes_beside_a_condition(tmp_path: Path, line: str, says: str) -> None:
    lead = WHEN if "cut-2" not in line else f"{CUT}, at: rush, for: 1s, repeat: 2, every: 3s"
    with pytest.raises(ConfigError, match=says) as error:
        plan_of(tmp_path, lead, line)
    assert error.value.line == 4


def chain(length: int) -> list[str]:
    """Faults each of which is tied to the one below it in the file."""
    below = [f"id: a{n}, kind: kill, target: backend, at: a{n + 1}, for: 1s" for n in range(length)]
    return [*below, f"id: a{length}, kind: kill, target: backend, at: 1s, for: 1s"]


def test_a_long_way_from_fault_to_fault_is_refused_unless_it_is_written_in_order(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="by way of more than 99 faults") as error:
        plan_of(tmp_path, *chain(400))
    assert error.value.remedy == "write each fault below the one that it is tied to"
    assert len(plan_of(tmp_path, *reversed(chain(400))).faults) == 401
    assert len(plan_of(tmp_path, *chain(90)).faults) == 91


def test_a_window_that_chance_closed_is_named_with_the_seed(tmp_path: Path) -> None:
    line = f"{WHEN}, after: 10s..20s, until: 10s..20s"
    told = set()
    for seed in range(20):
        try:
            told.add(len(plan_of(tmp_path, line, head=f"seed: {seed}\n").faults))
        except ConfigError as error:
            assert f"no moment to start at (as seed {seed} has it)" in error.message
            told.add(0)
    assert told == {0, 1}


def test_a_plan_without_a_scenario_is_checked_for_what_can_be_known(tmp_path: Path) -> None:
    follower = "id: a, kind: kill, target: backend, at: cut.end - 50%, for: 1s"
    check_plan(written(tmp_path, WHEN, follower), ALL_KINDS)
    check_plan(written(tmp_path, f"{CUT}, at: rush, for: 50%, repeat: 9, every: 1s"), ALL_KINDS)
    for line, says in (
        (f"{CUT}, at: rush, for: 2s, repeat: 9, every: 1s", "overlap itself"),
        (f"{WHEN}, after: cut", "wait for each other"),
    ):
        with pytest.raises(ConfigError, match=says):
            check_plan(written(tmp_path, line), ALL_KINDS)


def test_a_kind_must_not_have_a_parameter_called_like_a_key_of_every_fault() -> None:
    rude: Any = {"rude": Kind(frozenset({"redis"}), {"every": Parameter("int", default=1)})}
    node = compose("{id: a, kind: rude}", Origin(None, Path()))
    with pytest.raises(ConfigError, match="the kind 'rude' has a parameter 'every'"):
        FaultEntry(rude).read(node)
    for kind in catalogue().values():
        assert not COMMON.keys() & kind.parameters.keys()
