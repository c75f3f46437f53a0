"""The course of a fault and the timetable, with faults made up for the purpose."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.target import Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.chaos.unhurried import finish
from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.journal import Journal, unhealed
from tests.unit.test_chaos_proof import Nobody

LOG: list[str] = []


class Good(Fault):
    """Notes what is done to it."""

    kind = "good"
    target_kinds = frozenset({"redis"})
    parameters = {"depth": Parameter("int", 3)}  # noqa: RUF012
    heal_limit_s = 0.3

    async def inject(self, ctx: FaultContext) -> None:
        LOG.append(f"inject {ctx.planned.id} depth {ctx.parameters['depth']}")

    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        return Evidence(True, {"depth": 3})

    async def heal(self, ctx: FaultContext) -> None:
        LOG.append(f"heal {ctx.planned.id}")

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        return Evidence(True)


class Refusing(Good):
    async def inject(self, ctx: FaultContext) -> None:
        raise OSError("the server said no")


class Unplaced(Good):
    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        raise ConfigError("nowhere")


class Unseen(Good):
    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        return Evidence(False, {"reason": "nothing moved"})


class Endless(Good):
    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        await asyncio.sleep(3600)
        raise AssertionError


class Flaky(Good):
    """Healed at the second try."""

    def __init__(self) -> None:
        self.tries = 0

    async def heal(self, ctx: FaultContext) -> None:
        self.tries += 1
        if self.tries == 1:
            raise OSError("busy")


class Incurable(Good):
    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        return Evidence(False, {"reason": "still ill"})


class Hanging(Good):
    async def heal(self, ctx: FaultContext) -> None:
        await asyncio.sleep(3600)


def line(kind: str, fault: str = "f", start_s: float = 0.0, duration_s: float = 0.05) -> Any:
    return PlannedFault(fault, kind, "it", start_s, duration_s, line=7)


class Stand:
    """A timetable of made-up kinds with its journal and what it told."""

    def __init__(self, folder: Path, *faults: PlannedFault, **kinds: type[Fault]) -> None:
        LOG.clear()
        self.path = folder / "journal.jsonl"
        self.journal = Journal(self.path)
        self.events: list[dict[str, Any]] = []
        target = Target("it", frozenset({"redis"}), "it", ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.chaos = Chaos(
            FaultPlan("plan", Path("plan.yaml"), faults),
            kinds=kinds,
            targets={"it": target},
            toxiproxy_url="http://127.0.0.1:3",
            processes=Nobody(),
            journal=self.journal,
            on_event=self.events.append,
        )

    async def run(self) -> list[Any]:
        try:
            return await self.chaos.run(time.monotonic())
        finally:
            self.journal.close()

    def phases(self, fault: str = "f") -> list[str]:
        return [event["phase"] for event in self.events if event["id"] == fault]


async def test_a_good_fault(tmp_path: Path) -> None:
    stand = Stand(tmp_path, line("good"), good=Good)
    (record,) = await stand.run()
    assert record.effect_observed
    assert record.healed
    assert not record.error
    assert record.end_s - record.start_s >= 0.05
    assert record.evidence["depth"] == 3
    assert LOG == ["inject f depth 3", "heal f"]
    assert stand.phases() == ["inject", "observed", "healed"]
    written = [json.loads(text)["do"] for text in stand.path.read_text().splitlines()]
    assert written == ["inject", "healed"]
    for event in stand.events:
        assert event["event"] == "fault"
        assert json.dumps(event)


async def test_the_journal_is_written_before_the_injection(tmp_path: Path) -> None:
    seen: list[list[Any]] = []

    class Looking(Good):
        async def inject(self, ctx: FaultContext) -> None:
            seen.append(unhealed(tmp_path / "journal.jsonl"))

    await Stand(tmp_path, line("good"), good=Looking).run()
    assert seen == [[("f", {"type": "none"})]]


@pytest.mark.parametrize(
    ("fault", "phases", "says", "is_healed"),
    [
        (Refusing, ["failed", "healed"], "injection failed: the server said no", True),
        (Unplaced, ["failed"], "injection failed: nowhere", True),
        (Unseen, ["inject", "failed", "healed"], "nothing moved", True),
        (Incurable, ["inject", "observed", "failed"], "NOT HEALED after 0.3 s: still ill", False),
        (Hanging, ["inject", "observed", "failed"], "NOT HEALED", False),
    ],
)
async def test_what_goes_wrong_is_recorded_and_the_others_go_on(
    tmp_path: Path, fault: type[Fault], phases: list[str], says: str, is_healed: bool
) -> None:
    stand = Stand(tmp_path, line("bad"), line("good", "g"), bad=fault, good=Good)
    bad, good = await stand.run()
    assert stand.phases() == phases
    assert says in bad.error
    assert bad.healed is is_healed
    assert bad.effect_observed == ("observed" in phases)
    assert good.effect_observed
    assert good.healed
    assert bool(unhealed(stand.path)) is not is_healed


async def test_an_observation_without_end_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashdrill.chaos.course.OBSERVE_GRACE_S", 0.05)
    (record,) = await Stand(tmp_path, line("good"), good=Endless).run()
    assert not record.effect_observed
    assert record.healed
    assert "did not come to an end" in record.error


async def test_healing_is_tried_again(tmp_path: Path) -> None:
    (record,) = await Stand(tmp_path, line("good"), good=Flaky).run()
    assert record.healed
    assert not record.error


async def test_a_journal_that_cannot_be_told_keeps_no_fault_from_being_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    stand = Stand(tmp_path, line("good"), line("good", "g", duration_s=0.1), good=Good)
    monkeypatch.setattr(stand.journal, "healed", full)
    for record in await stand.run():
        assert record.healed
        assert "the journal cannot be told: [Errno 28]" in record.error
    assert sorted(LOG[2:]) == ["heal f", "heal g"]
    assert {fault for fault, _ in unhealed(stand.path)} == {"f", "g"}  # and somebody looks again


async def test_a_cancelled_run_heals_first(tmp_path: Path) -> None:
    stand = Stand(tmp_path, line("good", duration_s=60.0), line("good", "later", 50.0), good=Good)
    task = asyncio.create_task(stand.run())
    async with asyncio.timeout(10):
        while "observed" not in stand.phases():
            await asyncio.sleep(0.001)
    assert stand.chaos.active() == ("f",)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert LOG == ["inject f depth 3", "heal f"]
    assert stand.chaos.active() == ()
    (record,) = stand.chaos.records()
    assert record.healed
    assert not unhealed(stand.path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (PlannedFault("f", "nonsense", "it", 0, 1, line=7), "no fault 'nonsense'"),
        (PlannedFault("f", "good", "moon", 0, 1, line=7), "no target 'moon'"),
        (PlannedFault("f", "http_only", "it", 0, 1, line=7), "cannot be done to 'it'"),
        (PlannedFault("f", "needy", "it", 0, 1, line=7), "needs 'depth'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    tmp_path: Path, changed: PlannedFault, says: str
) -> None:
    class HttpOnly(Good):
        target_kinds = frozenset({"http"})

    class Needy(Good):
        parameters = {"depth": Parameter("int")}  # noqa: RUF012

    with pytest.raises(ConfigError, match=says) as caught:
        Stand(tmp_path, changed, good=Good, http_only=HttpOnly, needy=Needy)
    assert caught.value.line == 7


async def test_work_is_finished_however_often_it_is_cancelled() -> None:
    done = asyncio.Event()

    async def work() -> str:
        await asyncio.sleep(0.05)
        done.set()
        return "result"

    assert await finish(work()) == "result"
    done.clear()
    task = asyncio.create_task(finish(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_an_error_of_the_work_goes_on() -> None:
    async def work() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await finish(work())
