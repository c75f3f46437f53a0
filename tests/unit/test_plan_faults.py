"""Fault plans: the timetable is resolved against stages and other faults, mistakes have lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.plan.faults import check_plan, load_plan, merge
from flashdrill.plan.moments import MOMENT_PATTERN, parse_moment
from tests.unit.planning import KINDS, TARGETS, small_scenario

SLOW = "  - {id: slow, kind: latency, target: shard1, at: rush + 4s, for: 8s, latency: 60ms}\n"
KILL = "  - {id: kill, kind: kill, target: backend, at: slow + 5s, for: 1s}\n"


def plan_of(folder: Path, *faults: str, name: str = "night") -> FaultPlan:
    """The plan with these faults, against the small scenario."""
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nfaults:\n" + "".join(faults))
    return load_plan(path, small_scenario(folder), KINDS, TARGETS)


def test_a_good_plan_in_any_order(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, KILL, SLOW)
    slow, kill = plan.faults
    assert (slow.id, slow.start_s, slow.duration_s, slow.line) == ("slow", 14.0, 8.0, 4)
    assert slow.parameters == {
        "latency": 0.06, "jitter": 0.0, "toxicity": 1.0, "stream": "downstream",
    }  # fmt: skip
    assert (kill.id, kill.start_s, kill.end_s, kill.parameters) == ("kill", 19.0, 20.0, {})


@pytest.mark.parametrize(
    ("at", "start_s"),
    [
        ("12s", 12.0),
        ("0s", 0.0),
        ("rush", 10.0),
        ("rush+4s", 14.0),
        ("rush + 4s", 14.0),
        ("rush.end - 2s", 28.0),
        ("steady - 500ms", 29.5),
        ("rush.start + 1s", 11.0),
        ("rush + 25%", 15.0),
        ("steady.end - 50%", 45.0),
        ("50%", 30.0),
        ("kill.end + 1s", 42.0),
        ("kill + 50%", 40.5),
    ],
)
def test_moments(tmp_path: Path, at: str, start_s: float) -> None:
    kill = KILL.replace("slow + 5s", "40s")
    plan = plan_of(tmp_path, kill, SLOW.replace("rush + 4s", f"'{at}'"))
    assert next(f for f in plan.faults if f.id == "slow").start_s == start_s


def test_a_length_may_be_a_share_of_the_anchor(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, SLOW.replace("for: 8s", "for: 5%"), KILL.replace("for: 1s", "for: 50%")
    )
    assert [fault.duration_s for fault in plan.faults] == [1.0, 0.5]


def test_the_pattern_has_as_many_groups_as_the_reader_expects() -> None:
    assert parse_moment("a-b + 10%").offset.is_share
    assert parse_moment("a-b.end").is_from_end
    assert MOMENT_PATTERN.startswith("^")


MISTAKES = [
    ("kind: latency", "kind: latancy", "no fault 'latancy'; did you mean 'latency'?"),
    ("kind: latency, ", "", "a fault needs 'kind': one of latency, kill"),
    ("target: shard1", "target: shard9", "no target 'shard9'; did you mean 'shard1'?"),
    ("kind: latency, target: shard1", "kind: kill, target: redis", "unknown key 'latency' in a fault of kind kill"),
    (", latency: 60ms", "", "a fault of kind latency needs 'latency'"),
    ("latency: 60ms", "latency: 60", "'60' has no unit; did you mean 60ms or 60s?"),
    ("latency: 60ms", "latencie: 60ms", "did you mean 'latency'?"),
    ("latency: 60ms", "latency: 60ms, toxicity: 7", "did you mean 7%?"),
    ("latency: 60ms", "latency: 60ms, stream: up", "'up' is not downstream or upstream"),
    ("at: rush + 4s", "at: rash + 4s", "no stage or fault 'rash'; did you mean 'rush'?"),
    ("at: rush + 4s", "at: rush + soon", "'soon' is not an offset"),
    ("at: rush + 4s", "at: rush.middle", "a stage or a fault has .start and .end, not .middle"),
    ("at: rush + 4s", "at: after a while", "is not a moment; expected a time such as 12s"),
    ("at: rush + 4s, ", "", "needs 'at'"),
    ("at: rush + 4s", "at: browse - 1s", "starts 1 s before the run does"),
    ("at: rush + 4s", "at: steady + 22.5s", "fault 'slow' ends at 60.5 s, after the run's end at 60 s"),
    ("for: 8s", "for: 0s", "expected a duration above zero"),
    ("for: 8s", "for: a while", "'a while' is not a duration"),
    ("id: slow", "id: rush", "'rush' is the name of a stage"),
    ("id: slow", "id: kill", "two faults have the id 'kill' (the first in line 3)"),
    ("at: rush + 4s", "at: kill + 1s", "the faults wait for each other"),
    ("at: rush + 4s", "at: slow + 1s", "the faults wait for each other: slow -> slow"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in SLOW
    with pytest.raises(ConfigError) as error:
        plan_of(tmp_path, KILL.replace("5s", "1s"), SLOW.replace(old, new))
    assert f"{tmp_path / 'night.yaml'}:" in str(error.value)
    assert error.value.line in {3, 4}
    assert says in str(error.value)


def test_a_kind_that_does_not_fit_its_target(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kill cannot be done to 'redis'") as error:
        plan_of(tmp_path, KILL.replace("backend", "redis").replace("slow + 5s", "5s"))
    assert error.value.remedy == "it can be done to backend"
    assert error.value.line == 3


def test_targets_may_be_names_alone(tmp_path: Path) -> None:
    path = tmp_path / "night.yaml"
    path.write_text(f"name: night\nfaults:\n{SLOW}")
    assert load_plan(path, small_scenario(tmp_path), KINDS, ["shard1"]).faults
    with pytest.raises(ConfigError, match="no target 'shard1'"):
        load_plan(path, small_scenario(tmp_path), KINDS, ["redis"])


def test_a_plan_needs_faults(tmp_path: Path) -> None:
    path = tmp_path / "night.yaml"
    path.write_text("name: night\nfaults: []\n")
    with pytest.raises(ConfigError, match="expected at least 1 entry"):
        load_plan(path, small_scenario(tmp_path), KINDS, TARGETS)


def test_merging(tmp_path: Path) -> None:
    first = plan_of(tmp_path, SLOW, name="first")
    other = plan_of(
        tmp_path, SLOW.replace("id: slow", "id: early").replace("4s", "1s"), name="other"
    )
    both = merge([first, other])
    assert both.name == "first+other"
    assert [fault.id for fault in both.faults] == ["early", "slow"]
    assert merge([]).faults == ()
    with pytest.raises(ConfigError, match=r"other\.yaml:3: the fault 'slow' is also in .*first"):
        merge([first, plan_of(tmp_path, SLOW, name="other")])


def test_a_plan_can_be_checked_without_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "night.yaml"
    path.write_text(f"name: night\nfaults:\n{SLOW}{KILL}")
    check_plan(path, KINDS)
    path.write_text(f"name: night\nfaults:\n{SLOW.replace('rush', 'kill')}{KILL}")
    with pytest.raises(ConfigError, match="wait for each other: slow -> kill -> slow"):
        check_plan(path, KINDS)
