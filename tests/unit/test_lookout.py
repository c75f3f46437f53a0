"""What the lookout sees before the first fault and while the load runs, and when it stays silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan, PlannedFault, Trigger
from flashdrill.model.scenario import Scenario, Stage, World
from flashdrill.model.steady_state import SteadyState
from flashdrill.plan.conditions import parse_condition
from flashdrill.rehearsal.live_numbers import LiveNumbers
from flashdrill.rehearsal.lookout import LEAST_S, Lookout, check_time_to_look
from flashdrill.rehearsal.trace import Trace
from tests.unit.told import operation, second

SCENARIO = Scenario("small", Path("s.yaml"), Path("c.py"), (Stage("rush", 0, 60),), World(1, ()))
PLAN = FaultPlan("p", Path("p.yaml"), (PlannedFault("cut", "timeout", "shard1", 10.0, 5.0),))
GOOD, BAD = {"buy": operation(ok=10)}, {"buy": operation(ok=1, fail=9)}
STEADY = SteadyState((parse_condition("error_rate(buy) < 5%"),))


class Run:
    """A lookout that hears one second after the other."""

    def __init__(self, steady: SteadyState | None = None, abort: str = "", **plan: Any) -> None:
        self.trace = Trace()
        self._numbers = LiveNumbers(SCENARIO.duration_s)
        aborts = (parse_condition(abort),) if abort else ()
        scenario = replace(SCENARIO, steady_state=steady, aborts=aborts)
        self.lookout = Lookout(scenario, replace(PLAN, **plan), self._numbers, self.trace)
        self._now_s = 0.0

    def hear(self, *seconds: dict[str, Any]) -> Run:
        for operations in seconds:
            self._now_s += 1
            if taken := self._numbers.take(second(self._now_s, **operations)):
                self.lookout.take(taken)
        return self

    async def may_begin(self) -> bool | None:
        """None: it is not known yet."""
        try:
            return await asyncio.wait_for(self.lookout.may_begin(), 0.01)
        except TimeoutError:
            return None


async def test_without_a_steady_state_faults_may_begin_at_once() -> None:
    assert await Run().may_begin() is True


async def test_faults_wait_until_the_steady_state_was_seen() -> None:
    run = Run(STEADY).hear(*[GOOD] * 7)
    assert await run.may_begin() is None
    assert await run.hear(GOOD).may_begin() is True
    assert not run.lookout.must_stop.is_set()
    assert run.trace.stopped_s is None


async def test_a_steady_state_that_does_not_hold_stops_the_run_at_once() -> None:
    run = Run(STEADY).hear(*[GOOD] * 7, BAD)
    assert await run.may_begin() is False
    assert run.lookout.must_stop.is_set()
    assert run.trace.stopped_s == 8.0
    (watched,) = run.trace.steady
    assert watched.before is not None
    assert (watched.before.start_s, watched.before.end_s) == (2.0, 8.0)
    assert watched.before.value == pytest.approx(9 / 60)


async def test_the_first_seconds_are_no_part_of_it() -> None:
    assert await Run(STEADY).hear(BAD, BAD, *[GOOD] * 6).may_begin() is True


async def test_an_operation_that_never_came_was_not_seen_to_hold() -> None:
    assert await Run(STEADY).hear(*[{"look": operation(ok=5)}] * 8).may_begin() is False


async def test_a_fault_that_waits_for_a_condition_waits_for_the_look_too() -> None:
    trigger = Trigger(0.0, 60.0, parse_condition("rate > 1/s"))
    waiting = replace(PLAN.faults[0], start_s=0.0, trigger=trigger)
    run = Run(STEADY, faults=(waiting,)).hear(*[GOOD] * 3)
    assert await run.may_begin() is None
    assert await run.hear(GOOD).may_begin() is True


async def test_a_load_that_ends_before_the_look_lets_nothing_begin() -> None:
    run = Run(STEADY).hear(GOOD)
    run.lookout.over()
    assert await run.may_begin() is False
    assert run.trace.steady[0].before is None


async def test_an_abort_condition_stops_the_run_and_says_what_it_saw() -> None:
    run = Run(abort="error_rate(buy) > 50% for 2s").hear(GOOD, BAD)
    assert not run.lookout.must_stop.is_set()
    run.hear(BAD)
    assert run.lookout.must_stop.is_set()
    aborted = run.trace.aborted
    assert aborted is not None
    assert (aborted.from_s, aborted.at_s, aborted.value) == (1.0, 3.0, pytest.approx(0.9))
    run.hear(GOOD)
    assert run.trace.aborted is aborted, "the first one counts"


async def test_an_abort_condition_that_does_not_last_is_silent() -> None:
    run = Run(abort="error_rate(buy) > 50% for 2s").hear(BAD, GOOD, BAD, {}, BAD, GOOD)
    assert not run.lookout.must_stop.is_set()
    assert run.trace.aborted is None


async def test_nothing_aborts_after_the_load() -> None:
    run = Run(abort="rate(buy) < 1/s for 2s").hear(*[GOOD] * 60, {}, {}, {})
    assert run.trace.aborted is None


@pytest.mark.parametrize(("start_s", "is_refused"), [(LEAST_S - 0.1, True), (LEAST_S, False)])
def test_a_fault_too_early_to_look_before_it_is_refused(start_s: float, is_refused: bool) -> None:
    plan = replace(PLAN, faults=(replace(PLAN.faults[0], start_s=start_s, line=7),))
    guarded = replace(SCENARIO, steady_state=STEADY)
    check_time_to_look(SCENARIO, plan)
    if not is_refused:
        return check_time_to_look(guarded, plan)
    with pytest.raises(ConfigError, match=r"'cut' starts 5.9 s after .*cannot be seen") as raised:
        check_time_to_look(guarded, plan)
    assert "p.yaml" in str(raised.value)
    return None


def test_an_end_for_another_reason_is_no_failure_and_stops_the_run() -> None:
    trace = Trace()
    lookout = Lookout(SCENARIO, FaultPlan("none", None, ()), LiveNumbers(60.0), trace)
    lookout.end("over the cap", 4.2)
    assert lookout.must_stop.is_set()
    assert (trace.problems, trace.stopped_s, trace.aborted) == (["over the cap"], 4.2, None)
