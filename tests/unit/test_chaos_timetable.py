"""Faults that the run starts: at conditions, after each other, and never beyond the blast radius of their plan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos import admission, timetable
from flashdrill.chaos.course import Course
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.target import Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.errors import ConfigError
from flashdrill.model.blast_radius import BlastRadius, Reach
from flashdrill.model.chance import derived
from flashdrill.model.condition import Condition
from flashdrill.model.faults import FaultPlan, FaultRecord, PlannedFault, Trigger
from flashdrill.model.journal import Journal
from tests.unit.test_chaos_proof import Nobody

BUSY = Condition("rate(buy) > 300/s", "rate", "buy", ">", 300.0, 0.0)
SLOW = Condition("p99(buy) > 1s", "p99", "buy", ">", 1.0, 0.0)
LONG_S = 60.0
"""Never reached by these tests."""


class Dummy(Fault):
    """Does nothing, and is seen at once."""

    kind = "dummy"
    target_kinds = frozenset({"postgres"})
    heal_limit_s = 0.3
    log: list[tuple[str, str]]
    contexts: dict[str, FaultContext]

    async def baseline(self, ctx: FaultContext) -> Any:
        self.log.append(("baseline", ctx.planned.id))
        self.contexts[ctx.planned.id] = ctx
        return True

    async def inject(self, ctx: FaultContext) -> None:
        self.log.append(("inject", ctx.planned.id))

    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        return Evidence(True)

    async def heal(self, ctx: FaultContext) -> None:
        self.log.append(("heal", ctx.planned.id))

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        return Evidence(True)


class Incurable(Dummy):
    """Stays."""

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        return Evidence(False, {"reason": "still ill"})


class Refusing(Dummy):
    """Cannot be made."""

    async def inject(self, ctx: FaultContext) -> None:
        raise OSError("no")


def line(
    fault: str, start_s: float = 0.0, duration_s: float = 0.05, shard: int = 0, kind: str = "dummy"
) -> PlannedFault:
    return PlannedFault(fault, kind, f"shard{shard}", start_s, duration_s)


def at_condition(
    fault: str, condition: Condition = BUSY, shard: int = 0, **trigger: Any
) -> PlannedFault:
    window = {"after_s": 0.0, "until_s": LONG_S, **trigger}
    return replace(line(fault, shard=shard), trigger=Trigger(condition=condition, **window))


def following(fault: str, leader: str, offset_s: float = 0.0, **trigger: Any) -> PlannedFault:
    return replace(
        line(fault), trigger=Trigger(0.0, LONG_S, follows=leader, offset_s=offset_s, **trigger)
    )


class Stand:
    """A timetable whose conditions come true when the test says so."""

    def __init__(
        self,
        folder: Path,
        *faults: PlannedFault,
        radii: Sequence[BlastRadius] = (),
        load_s: float = LONG_S,
    ) -> None:
        self.true: dict[Condition, asyncio.Event] = {BUSY: asyncio.Event(), SLOW: asyncio.Event()}
        self.asked: list[tuple[Condition, float]] = []
        self.events: list[dict[str, Any]] = []
        self.log: list[tuple[str, str]] = []
        self.contexts: dict[str, FaultContext] = {}
        shared = {"log": self.log, "contexts": self.contexts}
        targets = [f"shard{number}" for number in range(4)]
        self.journal = Journal(folder / "journal.jsonl")
        self.chaos = Chaos(
            FaultPlan("plan", Path("plan.yaml"), faults, blast_radii=tuple(radii)),
            kinds={
                kind.__name__.lower(): type(kind.__name__, (kind,), shared)
                for kind in (Dummy, Incurable, Refusing)
            },
            targets={
                name: Target(
                    name, frozenset({"postgres"}), name, ("127.0.0.1", 1), ("127.0.0.1", n)
                )
                for n, name in enumerate(targets)
            },
            toxiproxy_url="http://127.0.0.1:3",
            processes=Nobody(),
            journal=self.journal,
            on_event=self.events.append,
            until=self.until,
            seed=11,
            load_s=load_s,
        )

    async def until(self, condition: Condition) -> float:
        self.asked.append((condition, time.monotonic()))
        await self.true[condition].wait()
        return time.monotonic()

    async def run(self, *steps: Condition | str) -> dict[str, FaultRecord]:
        """Live through it; each step is a condition that comes true, or `phase fault` that is waited for."""
        task = asyncio.create_task(self.chaos.run(time.monotonic()))
        try:
            async with asyncio.timeout(20):
                for step in steps:
                    if isinstance(step, Condition):
                        self.true[step].set()
                    else:
                        await self.heard(step)
                return {record.id: record for record in await task}
        finally:
            task.cancel()
            await asyncio.wait({task})
            self.journal.close()

    async def heard(self, step: str) -> None:
        while step not in self.steps and not (step == "asked" and self.asked):
            await asyncio.sleep(0.002)

    @property
    def steps(self) -> list[str]:
        return [f"{event['phase']} {event['id']}" for event in self.events]


# ---- conditions -----------------------------------------------------------------------------------


async def test_a_condition_that_comes_true_starts_its_fault(tmp_path: Path) -> None:
    stand = Stand(tmp_path, at_condition("f"))
    record = (await stand.run("asked", BUSY))["f"]
    assert stand.steps == ["triggered f", "inject f", "observed f", "healed f"]
    assert stand.events[0]["detail"] == "rate(buy) > 300/s"
    assert record.effect_observed
    assert record.was_due
    assert record.condition == "rate(buy) > 300/s"
    assert record.end_s - record.start_s >= 0.05


@pytest.mark.parametrize("is_optional", [False, True])
async def test_a_condition_that_never_comes_true_is_told(tmp_path: Path, is_optional: bool) -> None:
    stand = Stand(tmp_path, at_condition("f", until_s=0.05, is_optional=is_optional))
    record = (await stand.run())["f"]
    assert stand.steps == ["not due f" if is_optional else "failed f"]
    assert not record.effect_observed
    assert not record.was_made
    assert record.was_due is not is_optional
    assert record.is_sound is is_optional
    assert record.error == "its condition never came true: rate(buy) > 300/s"
    assert record.start_s == record.end_s >= 0.05
    assert stand.log == []


async def test_a_condition_is_not_looked_at_before_its_time(tmp_path: Path) -> None:
    stand = Stand(tmp_path, at_condition("f", after_s=0.1))
    began = time.monotonic()
    await stand.run(BUSY)
    assert stand.asked[0][1] - began >= 0.1


async def test_two_conditions_do_not_wait_for_each_other(tmp_path: Path) -> None:
    stand = Stand(tmp_path, at_condition("f", until_s=0.3), at_condition("g", SLOW, shard=1))
    found = await stand.run("asked", SLOW, "healed g")
    assert (found["f"].was_made, found["g"].was_made) == (False, True)


async def test_a_cancelled_run_does_not_tell_of_what_it_still_waited_for(tmp_path: Path) -> None:
    stand = Stand(tmp_path, at_condition("f"), line("g", duration_s=LONG_S, shard=1))
    task = asyncio.create_task(stand.chaos.run(time.monotonic()))
    async with asyncio.timeout(20):
        await stand.heard("observed g")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.id for record in stand.chaos.records()] == ["g"]
    stand.journal.close()


def test_without_anybody_who_looks_a_condition_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    target = Target("shard0", frozenset({"postgres"}), "it", ("127.0.0.1", 1), ("127.0.0.1", 2))
    with pytest.raises(ConfigError, match="starts at a condition"):
        Chaos(
            FaultPlan("plan", Path("plan.yaml"), (at_condition("f"),)),
            kinds={"dummy": Dummy},
            targets={"shard0": target},
            toxiproxy_url="http://127.0.0.1:3",
            processes=Nobody(),
            journal=journal,
        )
    journal.close()


# ---- one after another ----------------------------------------------------------------------------


async def test_a_fault_follows_another(tmp_path: Path) -> None:
    stand = Stand(tmp_path, at_condition("f"), following("g", "f", 0.1))
    found = await stand.run("asked", BUSY)
    assert found["g"].start_s - found["f"].start_s >= 0.1


async def test_it_goes_on_when_the_other_could_not_be_made(tmp_path: Path) -> None:
    stand = Stand(tmp_path, replace(at_condition("f"), kind="refusing"), following("g", "f"))
    found = await stand.run(BUSY)
    assert not found["f"].was_made
    assert found["g"].was_made


@pytest.mark.parametrize("is_optional", [False, True])
async def test_it_does_not_follow_what_was_never_due(tmp_path: Path, is_optional: bool) -> None:
    stand = Stand(
        tmp_path,
        at_condition("f", until_s=0.05, is_optional=is_optional),
        following("g", "f", is_optional=is_optional),
        following("h", "g", is_optional=is_optional),
    )
    found = await stand.run()
    assert found["g"].error == "f, which it follows, was not made"
    assert found["h"].error == "g, which it follows, was not made"
    assert [r.was_due for r in found.values()] == [not is_optional] * 3


async def test_one_that_follows_too_late_is_told_so(tmp_path: Path) -> None:
    late = at_condition("g", until_s=0.05)
    late = replace(late, trigger=replace(late.trigger, follows="f", offset_s=9.0))
    found = await Stand(tmp_path, at_condition("f"), late).run("asked", BUSY)
    assert found["f"].was_made
    assert found["g"].error == "f, which it follows, began so late that no time was left"


@pytest.mark.parametrize("is_over", [False, True])
async def test_nothing_begins_after_the_load(tmp_path: Path, is_over: bool) -> None:
    stand = Stand(tmp_path, line("f", 0.1), load_s=0.05 if is_over else LONG_S)
    found = await stand.run()
    assert found["f"].was_made is not is_over
    assert (found["f"].error == admission.LOAD_IS_OVER) is is_over


async def test_repetitions_look_again_after_a_while(tmp_path: Path) -> None:
    stand = Stand(
        tmp_path,
        at_condition("f-1"),
        at_condition("f-2", follows="f-1", offset_s=0.15),
        at_condition("f-3", SLOW, follows="f-2", offset_s=0.15, until_s=0.6),
    )
    found = await stand.run("asked", BUSY)
    assert found["f-2"].start_s > found["f-1"].start_s
    assert found["f-3"].error.startswith("its condition never came true")
    times = [at_s for _, at_s in stand.asked]
    assert times[1] - times[0] >= 0.15


# ---- baselines ------------------------------------------------------------------------------------


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "BASELINE_LEAD_S", 0.1)
    monkeypatch.setattr(admission, "ENDING_S", 0.05)
    monkeypatch.setattr(admission, "HEALING_TIMEOUT_S", 0.3)


@pytest.fixture
def leads(_quick: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How long before its start the baseline of each fault is measured."""
    found: dict[str, float] = {}
    original = Course.run

    async def run(self: Course, t0_s: float, baseline_lead_s: float, start_s: float) -> None:
        found[self.id] = baseline_lead_s
        await original(self, t0_s, baseline_lead_s, start_s)

    monkeypatch.setattr(Course, "run", run)
    return found


async def test_alone_a_baseline_is_measured_ahead(tmp_path: Path, leads: dict[str, float]) -> None:
    await Stand(tmp_path, line("late", 0.3), at_condition("f", shard=1)).run(BUSY)
    assert leads == {"late": 0.1, "f": 0.0}


@pytest.mark.parametrize("steps", [(BUSY,), ("asked", "inject late", BUSY)])
async def test_beside_a_condition_on_its_server_it_is_not(
    tmp_path: Path, leads: dict[str, float], steps: Any
) -> None:
    """Whether that fault is over just before, or may begin at any moment."""
    await Stand(tmp_path, line("late", 0.3), at_condition("f", after_s=0.15)).run(*steps)
    assert leads["late"] == 0.0


async def test_long_after_a_condition_it_is(tmp_path: Path, leads: dict[str, float]) -> None:
    await Stand(tmp_path, line("late", 1.0), at_condition("f")).run(BUSY)
    assert leads["late"] == 0.1


# ---- the blast radius -----------------------------------------------------------------------------


def radius(*faults: PlannedFault, **limits: Any) -> BlastRadius:
    return BlastRadius(reaches={f.id: Reach(1.0, 0.25, f.target) for f in faults}, **limits)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"at_once": 1}, "2 faults at once (f, long); blast_radius.at_once is 1"),
        ({"shards": 1}, "2 shards at once (shard0, shard1); blast_radius.shards is 1"),
        ({"users": 0.4}, "50% of the users"),
        ({"at_once": 2, "shards": 2, "users": 0.5}, ""),
    ],
)
async def test_a_condition_in_the_wrong_moment_makes_no_fault(
    tmp_path: Path, limits: dict[str, Any], says: str
) -> None:
    faults = line("long", duration_s=0.5, shard=1), at_condition("f")
    stand = Stand(tmp_path, *faults, radii=[radius(*faults, **limits)])
    record = (await stand.run("inject long", BUSY))["f"]
    assert record.was_made is not bool(says)
    assert record.was_due
    assert says in record.error
    assert ("inject", "f") in stand.log or says
    if says:
        assert record.error.startswith("not made, for it would touch ")
        assert ("inject", "f") not in stand.log


@pytest.mark.usefixtures("_quick")
async def test_what_is_planned_to_begin_meanwhile_goes_first(tmp_path: Path) -> None:
    faults = line("planned", 0.5, shard=1), replace(at_condition("f"), duration_s=5.0)
    stand = Stand(tmp_path, *faults, radii=[radius(*faults, at_once=1)])
    found = await stand.run("asked", BUSY)
    assert not found["f"].was_made
    assert found["planned"].was_made


@pytest.mark.usefixtures("_quick")
async def test_of_two_conditions_at_once_one_is_let_in(tmp_path: Path) -> None:
    faults = [replace(at_condition(name, shard=n), duration_s=0.4) for n, name in enumerate("fg")]
    stand = Stand(tmp_path, *faults, radii=[radius(*faults, at_once=1)])
    found = await stand.run("asked", BUSY)
    assert sorted(record.was_made for record in found.values()) == [False, True]


@pytest.mark.usefixtures("_quick")
async def test_one_after_the_other_is_within(tmp_path: Path) -> None:
    faults = line("first", duration_s=0.2), line("second", 0.2, shard=1)
    stand = Stand(tmp_path, *faults, radii=[radius(*faults, at_once=1)])
    found = await stand.run()
    assert all(record.was_made for record in found.values())
    assert stand.steps.index("healed first") < stand.steps.index("inject second")


@pytest.mark.usefixtures("_quick")
async def test_what_will_not_heal_keeps_others_out(tmp_path: Path) -> None:
    faults = line("ill", kind="incurable"), line("next", 0.1, shard=1)
    stand = Stand(tmp_path, *faults, radii=[radius(*faults, at_once=1)])
    found = await stand.run()
    assert not found["ill"].healed
    assert not found["next"].was_made
    assert "2 faults at once (ill, next)" in found["next"].error


@pytest.mark.usefixtures("_quick")
async def test_faults_of_other_plans_do_not_count(tmp_path: Path) -> None:
    mine, other = at_condition("f"), line("other", duration_s=0.5, shard=1)
    stand = Stand(tmp_path, mine, other, radii=[radius(mine, at_once=1)])
    assert (await stand.run("inject other", BUSY))["f"].was_made


# ---- chance ---------------------------------------------------------------------------------------


async def test_each_fault_has_its_own_seed_and_tells_what_was_drawn(tmp_path: Path) -> None:
    faults = (
        replace(line("f"), seed=99, drawn={"for": 0.05}),
        line("g", shard=1),
        line("h", shard=2),
    )
    stand = Stand(tmp_path, *faults)
    found = await stand.run()
    seeds = {name: ctx.seed for name, ctx in stand.contexts.items()}
    assert seeds == {"f": 99, "g": derived(11, "g"), "h": derived(11, "h")}
    assert seeds["g"] != seeds["h"]
    assert found["f"].drawn == {"for": 0.05}
    told = {e["id"]: e.get("drawn") for e in stand.events if e["phase"] == "inject"}
    assert told == {"f": {"for": 0.05}, "g": None, "h": None}


async def test_without_faults_no_toxiproxy_server_is_needed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    chaos = Chaos(
        FaultPlan("none", tmp_path, ()),
        kinds={},
        targets={},
        toxiproxy_url="",
        processes=Nobody(),
        journal=journal,
    )
    assert await chaos.run(0.0) == []
    assert await chaos.heal_all() == ()
    journal.close()
