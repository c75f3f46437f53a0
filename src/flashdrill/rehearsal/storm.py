"""The load, the faults and the samplers, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from flashdrill.analysis.validity import tightest_s
from flashdrill.chaos.timetable import Chaos
from flashdrill.edge.client import Edge
from flashdrill.load.hall import clock_doubts, ended_from_outside
from flashdrill.load.over_cap import over_cap_words
from flashdrill.model.capacity import Capacity
from flashdrill.model.journal import Journal
from flashdrill.model.peak import peak_of
from flashdrill.observe.samples import SampleTable
from flashdrill.rehearsal.climber import Climber
from flashdrill.rehearsal.crowd import Crowd
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.last_calibration import keep
from flashdrill.rehearsal.live_numbers import LiveNumbers
from flashdrill.rehearsal.lookout import Lookout
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.service import service_now
from flashdrill.rehearsal.system import System
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import LiveSecond, Watcher

HEAL_TIMEOUT_S = 60.0
"""After the load: for faults still in force to be healed and the healing to be verified."""


async def storm(
    prepared: Prepared,
    folder: RunFolder,
    journal: Journal,
    system: System,
    trace: Trace,
    watcher: Watcher,
) -> None:
    """Let the crowd loose and break things on time; returns when the crowd is done and all is healed.

    Raises InconclusiveError when the crowd dies or falls silent, StackError when it cannot start.
    """
    watcher.phase("starting the crowd")
    crowd = Crowd(prepared.scenario, system.host, folder, prepared.admission, prepared.order.bind)
    numbers = LiveNumbers(prepared.scenario.longest_s)
    lookout = Lookout(prepared.scenario, prepared.plan, numbers, trace)
    chaos = _chaos(prepared, system, journal, trace, watcher, numbers)
    samplers = system.samplers
    try:
        try:
            await crowd.prepare(watcher.phase)
        finally:
            crowd.forget_secret()
        trace.calibration = crowd.calibration
        _warn(prepared, crowd, watcher)
        trace.t0_ns = crowd.begin()
        climber = _climber(prepared, crowd, trace)
        watcher.phase(
            f"load and faults, {prepared.scenario.longest_s:.0f} s{' at most' if climber else ''}"
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(samplers.run())
            watching = group.create_task(system.watch(trace))
            try:
                ears = _Ears(
                    prepared, chaos, samplers.table, trace, watcher, numbers, lookout, climber
                )
                await _load_under_faults(crowd, chaos, trace, ears, lookout, watcher)
            finally:
                watching.cancel()
                samplers.stop()
    finally:
        trace.load_ended_ns = time.monotonic_ns()
        trace.samples = samplers.table
        await asyncio.shield(_leave(crowd, chaos))
        if trace.t0_ns and not trace.crowd:
            trace.crowd = crowd.last_words()
        trace.faults = chaos.records()


def _climber(prepared: Prepared, crowd: Crowd, trace: Trace) -> Climber | None:
    """Who decides the steps of a staircase that stops at its knee."""
    scenario = prepared.scenario
    if scenario.climb is None:
        return None
    limit_s = tightest_s(scenario.gates, "")
    climber = Climber(scenario.climb, crowd.order, limit_s=limit_s)
    trace.climbed = climber.climbed
    return climber


def _warn(prepared: Prepared, crowd: Crowd, watcher: Watcher) -> None:
    """Keep what was found, and say when the schedule asks for more: what comes of that is in the verdict."""
    if crowd.calibration is None:
        return
    with contextlib.suppress(OSError):  # it only serves `validate`
        keep(prepared.order.state, crowd.calibration)
    peak_per_s = max(map(peak_of, prepared.scenario.stages), default=0.0)
    if Capacity(crowd.calibration, peak_per_s).is_beyond_generator:
        watcher.phase(
            f"the peak of {peak_per_s:,.0f} arrivals a second is beyond what this machine can send, "
            f"{crowd.calibration.operations_per_s:,.0f} operations a second: the run will hardly be conclusive"
        )


async def _load_under_faults(
    crowd: Crowd, chaos: Chaos, trace: Trace, ears: _Ears, lookout: Lookout, watcher: Watcher
) -> None:
    """Both at once; the faults get some time after the load, then they are healed all the same."""
    async with asyncio.TaskGroup() as group:
        breaking = group.create_task(_break(chaos, trace, lookout))
        ending = group.create_task(_end_early(crowd, chaos, lookout, breaking, trace, watcher))
        try:
            await crowd.follow(ears.hear)
        except (
            asyncio.CancelledError
        ):  # somebody stops the run: nobody comes while faults are healed
            breaking.cancel()
            await asyncio.shield(crowd.stop())
            raise
        lookout.over()
        if not lookout.must_stop.is_set():
            ending.cancel()
        await asyncio.wait({breaking}, timeout=HEAL_TIMEOUT_S)
        if not breaking.done():
            trace.problems.append(f"faults were not healed within {HEAL_TIMEOUT_S:.0f} s")
            breaking.cancel()


async def _break(chaos: Chaos, trace: Trace, lookout: Lookout) -> None:
    """The timetable, once the steady state has been seen to hold."""
    if await lookout.may_begin():
        await chaos.run(trace.t0_ns / 1e9)


async def _end_early(
    crowd: Crowd,
    chaos: Chaos,
    lookout: Lookout,
    breaking: asyncio.Task[None],
    trace: Trace,
    watcher: Watcher,
) -> None:
    """When the lookout says so: no more faults, all healed, and nobody comes any more."""
    await lookout.must_stop.wait()
    why = f"aborted: {trace.aborted.text}" if trace.aborted else trace.stop_reason
    why = why or "the steady state does not hold"
    watcher.phase(f"{why}; healing, and stopping the load")
    breaking.cancel()
    async with asyncio.TaskGroup() as group:
        group.create_task(chaos.heal_all())
        group.create_task(crowd.stop())


async def _leave(crowd: Crowd, chaos: Chaos) -> None:
    """Whatever ended the load: nothing of it stays in force."""
    await chaos.heal_all()
    await crowd.stop()


def _chaos(
    prepared: Prepared,
    system: System,
    journal: Journal,
    trace: Trace,
    watcher: Watcher,
    numbers: LiveNumbers,
) -> Chaos:
    def told(event: dict[str, Any]) -> None:
        trace.fault_events.append(event)
        watcher.fault(event)

    host = system.host
    return Chaos(
        prepared.plan,
        kinds=prepared.kinds,
        targets=system.targets,
        toxiproxy_url=host.toxiproxy_url,
        processes=host,
        journal=journal,
        on_event=told,
        edge=Edge(host.edge_url) if host.edge_url else None,
        log_dir=host.log_dir,
        seed=prepared.scenario.seed,
        until=numbers.until,
        load_s=prepared.scenario.duration_s,
    )


def beside_the_crowd(line: dict[str, Any]) -> Iterator[str]:
    """What the load's last line says of others than the crowd, and makes the run inconclusive."""
    if line.get("closed_users") and not line.get("due"):
        yield (
            f"nobody came but users of plain Locust ({', '.join(line['closed_users'])}): a closed loop that is in no "
            "history, so there is nothing to judge"
        )
    if line.get("fenced"):
        told = ", ".join(f"{host} ({times} times)" for host, times in line["fenced"].items())
        yield f"the load process was kept from hosts that are not of this run: {told}"


_DETAILS = {"operations", "lateness"}
"""What a line says of its second and is not kept: times by bucket."""

_OURS = {"total_s", "faults", "service"}
_AS_TOLD = tuple(field.name for field in fields(LiveSecond) if field.name not in _OURS)
"""What the crowd's line says under the same name."""


class _Ears:
    """Takes in what the crowd says, and tells the watcher."""

    def __init__(
        self,
        prepared: Prepared,
        chaos: Chaos,
        samples: SampleTable,
        trace: Trace,
        watcher: Watcher,
        numbers: LiveNumbers,
        lookout: Lookout,
        climber: Climber | None,
    ) -> None:
        self._total_s = prepared.scenario.longest_s
        self._climber = climber
        self._chaos = chaos
        self._samples = samples
        self._trace = trace
        self._watcher = watcher
        self._numbers = numbers
        self._lookout = lookout

    def hear(self, line: dict[str, Any]) -> None:
        """One line of live.jsonl."""
        match line.get("event"):
            case "second":
                self._trace.seconds.append({k: v for k, v in line.items() if k not in _DETAILS})
                if second := self._numbers.take(line):
                    self._lookout.take(second)
                if self._climber is not None:
                    self._climber.take(line)
                self._watcher.second(self._live(line))
            case "over_cap":
                words = over_cap_words(line["requests_per_s"], line["t_s"])
                self._lookout.end(words, line["t_s"])
            case "done":
                self._trace.crowd = line
                self._trace.problems += clock_doubts(line)
                if line.get("interrupted") and not self._lookout.must_stop.is_set():
                    self._trace.problems.append(ended_from_outside(line))
                self._trace.problems += beside_the_crowd(line)
                if line.get("crowd_errors"):
                    self._trace.problems.append(
                        f"the crowd's own code failed {line['crowd_errors']} times, see live.jsonl"
                    )
            case _:
                pass

    def _live(self, line: dict[str, Any]) -> LiveSecond:
        return LiveSecond(
            total_s=self._total_s,
            faults=self._chaos.active(),
            service=service_now(self._samples, time.monotonic_ns()),
            **{name: line[name] for name in _AS_TOLD},
        )
