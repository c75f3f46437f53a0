"""The blast radius of a plan: each limit refuses what goes beyond it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.blast_radius import BlastRadius, Reach
from flashdrill.plan.faults import merge
from flashdrill.plan.limits import may_be_refused, reach
from tests.unit.plans import TARGETS, plan_of

ONE = "id: one, kind: cut, target: shard1, at: rush, for: 5s"
TWO = "id: two, kind: cut, target: shard2, at: rush + 4s, for: 5s"
SAME = "id: two, kind: latency, target: shard1, at: rush + 4s, for: 5s, latency: 1s"
NEXT = "id: two, kind: cut, target: shard2, at: one.end, for: 5s"
HALF = "id: half, kind: latency, target: redis, at: rush, for: 5s, latency: 1s, toxicity: 50%"
SOME = "id: some, kind: status, target: backend, at: rush, for: 5s, users: 20%, share: 30%"
ANY = "id: any, kind: status, target: backend, at: rush, for: 5s, share: 30%"
DICE = "id: dice, kind: latency, target: redis, at: rush, for: 5s, latency: 1s, toxicity: 10%..80%"
LIMITS = "blast_radius: {%s}\n"

BEYOND = [
    (
        "connections: 40%",
        [HALF],
        "50% of a target's connections; blast_radius.connections is 40% (line 2)",
        "smaller `toxicity`",
    ),
    (
        "connections: 50%",
        [ONE],
        "100% of a target's connections",
        "or raise blast_radius.connections",
    ),
    ("connections: 50%", [DICE], "80% of a target's connections", "smaller `toxicity`"),
    (
        "connections: 0.5%",
        ["id: few, kind: status, target: backend, at: rush, for: 5s, share: 0.6%"],
        "0.6% of a target's connections; blast_radius.connections is 0.5%",
        "`share`",
    ),
    ("connections: 20%", [SOME], "30% of a target's connections", "`share`"),
    ("users: 20%", [ONE], "25% of the users; blast_radius.users is 20%", "fewer shards"),
    (
        "users: 30%",
        [ONE, TWO],
        "fault 'two', cut on shard2, at 14 s, with one in force: that touches 50% of the users",
        "fewer shards",
    ),
    ("users: 50%", [ANY], "100% of the users", "smaller share of `users`"),
    ("users: 40%", [SOME, ONE], "45% of the users", "raise blast_radius.users"),
    ("users: 99%", [HALF], "100% of the users", "raise blast_radius.users"),
    (
        "shards: 1",
        [ONE, TWO],
        "2 shards at once (shard1, shard2); blast_radius.shards is 1",
        "when the others are over",
    ),
    (
        "at_once: 1",
        [ONE, SAME],
        "by 2 faults at once (one, two); blast_radius.at_once is 1",
        "when another is over",
    ),
]
WITHIN = [
    ("connections: 50%", [HALF]),
    ("connections: 80%", [DICE]),
    ("users: 25%", [ONE, SAME]),
    ("users: 25%", [ONE, NEXT]),
    ("users: 50%", [ONE, TWO]),
    ("users: 20%", [SOME]),
    ("shards: 1", [ONE, SAME]),
    ("shards: 1", [ONE, NEXT]),
    ("shards: 1", [ONE, HALF, ANY]),
    ("at_once: 1", [ONE, NEXT]),
    ("at_once: 2, shards: 2, users: 50%, connections: 100%", [ONE, TWO]),
]


@pytest.mark.parametrize(("limit", "lines", "says", "remedy"), BEYOND)
def test_what_goes_beyond_is_refused(
    tmp_path: Path, limit: str, lines: list[str], says: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as error:
        plan_of(tmp_path, *lines, head=LIMITS % limit)
    assert says in str(error.value)
    assert remedy in error.value.remedy
    assert error.value.line == 3 + len(lines)


@pytest.mark.parametrize(("limit", "lines"), WITHIN)
def test_what_stays_within_is_not(tmp_path: Path, limit: str, lines: list[str]) -> None:
    assert len(plan_of(tmp_path, *lines, head=LIMITS % limit).faults) == len(lines)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("shard: 1", "unknown key 'shard' in a blast radius; did you mean 'shards'?"),
        ("shards: 0", "0 is out of range"),
        ("users: 50", "did you mean 50%?"),
        ("at_once: 1.5", "expected a whole number"),
    ],
)
def test_limits_are_read_with_care(tmp_path: Path, limit: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        plan_of(tmp_path, ONE, head=LIMITS % limit)
    assert says in str(error.value)
    assert error.value.line == 2


def test_each_plan_has_its_own_limits(tmp_path: Path) -> None:
    one = plan_of(tmp_path, ONE, head=LIMITS % "shards: 1, at_once: 1", name="one")
    two = plan_of(tmp_path, TWO, name="two")
    both = merge([one, two])
    (radius,) = both.blast_radii
    assert not radius.excess(["one", "two"]), "the other plan has no limit"
    assert radius.excess(["one"]) is None


# ---- faults that the run starts -------------------------------------------------------------------

WHEN = "id: when, kind: cut, target: shard2, when: rate(x) > 1/s, after: {}, until: {}, for: 2s"
LONG = "id: long, kind: cut, target: shard1, at: rush, for: 20s"


def test_a_condition_that_is_beyond_wherever_it_comes_true_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="whenever it starts: that touches 2 shards at once"):
        plan_of(tmp_path, LONG, WHEN.format("rush", "29s"), head=LIMITS % "shards: 1")


@pytest.mark.parametrize(
    ("after", "until", "is_doubtful"), [("rush", "30s", True), ("0s", "50s", True), ("30s", "50s", False)]
)  # fmt: skip
def test_a_condition_that_may_be_within_is_left_to_the_run(
    tmp_path: Path, after: str, until: str, is_doubtful: bool
) -> None:
    plan = plan_of(tmp_path, LONG, WHEN.format(after, until), head=LIMITS % "shards: 1")
    assert [fault.id for fault, _ in may_be_refused(plan)] == ["when"] * is_doubtful


def test_a_gap_between_two_others_is_enough(tmp_path: Path) -> None:
    others = (
        "id: a, kind: cut, target: shard0, at: 0s, for: 20s",
        "id: b, kind: cut, target: shard0, at: {}, for: 10s",
    )
    head = LIMITS % "at_once: 1"
    line = WHEN.format("5s", "25s")
    assert plan_of(tmp_path, others[0], others[1].format("22s"), line, head=head).faults
    with pytest.raises(ConfigError, match="2 faults at once"):
        plan_of(tmp_path, others[0], others[1].format("21.9s"), line, head=head)


# ---- the parts ------------------------------------------------------------------------------------


def test_the_reach_of_a_fault() -> None:
    assert reach({}, "shard1", TARGETS) == Reach(1.0, 0.25, "shard1")
    assert reach({"toxicity": 0.5}, "shard1", ["shard1", "shard2"]) == Reach(0.5, 0.5, "shard1")
    assert reach({"share": 0.1}, "backend", TARGETS) == Reach(0.1, 1.0)
    assert reach({"users": 0.1}, "backend", TARGETS) == Reach(1.0, 0.1)
    assert reach({}, "redis", TARGETS) == Reach(1.0, 1.0)


def test_users_of_one_shard_count_once() -> None:
    reaches = {"a": Reach(1, 0.25, "s1"), "b": Reach(1, 0.25, "s1"), "c": Reach(1, 0.25, "s2")}
    radius = BlastRadius(users=0.25, reaches=reaches)
    assert radius.excess(["a", "b"]) is None
    assert radius.excess(["a", "c"]) is not None
    assert radius.excess(["a", "stranger"]) is None
