"""The faults of a run at their times, side by side, and the promise that all of them are healed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from flashdrill.chaos.admission import Admission
from flashdrill.chaos.course import Course, Tell
from flashdrill.chaos.cue import Cue, Until
from flashdrill.chaos.fault import REQUIRED, Fault, FaultContext
from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.chaos.unhurried import finish
from flashdrill.edge.client import Edge
from flashdrill.errors import ConfigError
from flashdrill.model.chance import derived
from flashdrill.model.faults import FaultPlan, FaultRecord, PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.toxiproxy.client import Toxiproxy

BASELINE_LEAD_S = 1.0
"""How long before a fault its baseline is measured, when nothing else happens to its target then."""
OBSERVE_SHARE = 0.9
OBSERVE_LIMIT_S = 15.0
PREDECESSOR_TIMEOUT_S = 5.0
"""How long a fault waits for the end of one before it on the same server that should be over by then."""


class Chaos:
    """The timetable of one run. `kinds` are all that the plan may use; `on_event` hears of each step.

    `toxiproxy_url` may be empty for a plan without faults.
    `until` waits for the conditions at which faults start, `seed` is the run's, `load_s` how long it has a load.

    Events: {"t_mono_ns", "event": "fault", "id", "phase": triggered | inject | observed | healed | failed | not due,
    "kind", "target", "detail" where there is something to say, and "drawn" at the injection: what chance gave}.
    """

    def __init__(
        self,
        plan: FaultPlan,
        *,
        kinds: Mapping[str, type[Fault]],
        targets: Mapping[str, Target],
        toxiproxy_url: str,
        processes: ProcessControl,
        journal: Journal,
        on_event: Tell = lambda _event: None,
        now: Callable[[], float] = time.monotonic,
        edge: Edge | None = None,
        log_dir: Path | None = None,
        seed: int = 0,
        until: Until | None = None,
        load_s: float = math.inf,
    ) -> None:
        self._targets = targets
        self._courses: dict[str, Course] = {}
        self._now = now
        self._cue = Cue(self._courses, until, now)
        self._admission = Admission(plan.blast_radii, self._courses, now, load_s)
        for line in plan.faults:
            fault, planned = _resolved(plan, line, kinds, targets)
            if planned.trigger and planned.trigger.condition and until is None:
                raise _no_condition(plan, planned)
            ctx = FaultContext(
                planned=planned,
                target=targets[planned.target],
                toxiproxy=Toxiproxy(toxiproxy_url),
                processes=processes,
                observe_s=min(OBSERVE_SHARE * planned.duration_s, OBSERVE_LIMIT_S),
                others_in_force=partial(self._others, planned),
                edge=edge,
                seed=derived(seed, planned.id) if planned.seed is None else planned.seed,
                log_dir=log_dir,
                targets=targets,
            )
            self._courses[planned.id] = Course(
                fault,
                ctx,
                journal=journal,
                on_event=on_event,
                now=now,
                admit=partial(self._admission.refusal, planned),
            )

    async def run(self, t0_s: float) -> list[FaultRecord]:
        """Live through the whole timetable; `t0_s` is the run's start on the monotonic clock.

        A fault that fails is recorded and does not stop the others. When this is cancelled, everything in
        force is healed before the cancellation goes on; `records` has what is known.
        """
        async with asyncio.TaskGroup() as group:
            for course in self._courses.values():
                group.create_task(self._one(course, t0_s))
        return self.records()

    async def heal_all(self) -> tuple[str, ...]:
        """Heal what is in force; the ids of what could not be healed. Changes nothing when all is healed.

        Not cut short by a cancellation; bounded by the limits of the faults.
        """
        return await finish(self._heal_all())

    def active(self) -> tuple[str, ...]:
        """The ids of the faults now in force."""
        return tuple(course.id for course in self._courses.values() if course.is_in_force)

    def records(self) -> list[FaultRecord]:
        """What became of every fault that has begun, in the order of the plan."""
        return [course.record() for course in self._courses.values() if course.has_begun]

    async def _one(self, course: Course, t0_s: float) -> None:
        start_s = await self._cue.wait(course, t0_s)
        if start_s is None:
            return
        lead_s = await self._lead_s(course.ctx.planned, start_s, t0_s)
        if not lead_s:
            await asyncio.sleep(max(0.0, t0_s + start_s - self._now()))
            await self._after_predecessors(course.ctx.planned, start_s, t0_s)
        await course.run(t0_s, lead_s, start_s)

    async def _heal_all(self) -> tuple[str, ...]:
        async with asyncio.TaskGroup() as group:
            for course in self._courses.values():
                group.create_task(course.heal())
        return self.active()

    async def _lead_s(self, planned: PlannedFault, start_s: float, t0_s: float) -> float:
        """A baseline must not be measured while another fault begins or ends on the same server.

        When the run starts a neighbour, that is known only shortly before. A fault that the run starts has no time
        for a lead.
        """
        if planned.trigger:
            return 0.0
        first_s = start_s - 2 * BASELINE_LEAD_S
        if any(other.trigger for other in self._neighbours(planned)):
            await asyncio.sleep(max(0.0, t0_s + first_s - self._now()))
        is_disturbed = any(
            self._may_disturb(other, first_s, start_s, t0_s) for other in self._neighbours(planned)
        )
        return 0.0 if is_disturbed else BASELINE_LEAD_S

    def _may_disturb(
        self, other: PlannedFault, first_s: float, start_s: float, t0_s: float
    ) -> bool:
        """Whether a fault begins or ends between two moments, as far as is known by the first of them."""
        course, begins_s = self._courses[other.id], other.start_s
        if other.trigger and course.attempted_s is None:
            return not course.is_decided.is_set() and begins_s <= start_s
        if other.trigger and course.attempted_s is not None:
            begins_s = course.attempted_s - t0_s
        return any(first_s < m <= start_s for m in (begins_s, begins_s + other.duration_s))

    async def _after_predecessors(self, planned: PlannedFault, start_s: float, t0_s: float) -> None:
        """Wait for those on the same server that should be over by now."""
        before = [
            self._courses[other.id]
            for other in self._neighbours(planned)
            if self._end_s(other, t0_s) <= start_s
        ]
        try:
            async with asyncio.timeout(PREDECESSOR_TIMEOUT_S):
                for course in before:
                    await course.is_over.wait()
        except TimeoutError:
            return

    def _end_s(self, other: PlannedFault, t0_s: float) -> float:
        """When a fault is to end; infinite for one that the run has not started."""
        if other.trigger is None:
            return other.end_s
        end_s = self._courses[other.id].end_s
        return math.inf if end_s is None else end_s - t0_s

    def _others(self, planned: PlannedFault) -> tuple[str, ...]:
        near = {other.id for other in self._neighbours(planned)}
        return tuple(fault for fault in self.active() if fault in near)

    def _neighbours(self, planned: PlannedFault) -> list[PlannedFault]:
        """The other faults on the same server."""
        upstream = self._targets[planned.target].upstream
        others = (course.ctx.planned for course in self._courses.values())
        return [
            other
            for other in others
            if other.id != planned.id and self._targets[other.target].upstream == upstream
        ]


def _no_condition(plan: FaultPlan, planned: PlannedFault) -> ConfigError:
    return ConfigError(
        f"fault {planned.id!r} starts at a condition, and nothing here can tell when it comes true",
        path=plan.path,
        line=planned.line,
        remedy="conditions are looked at in a run under load",
    )


def _resolved(
    plan: FaultPlan,
    planned: PlannedFault,
    kinds: Mapping[str, type[Fault]],
    targets: Mapping[str, Target],
) -> tuple[Fault, PlannedFault]:
    """A fault object, and its line with every parameter. Raises ConfigError with the line."""
    if planned.kind not in kinds:
        raise ConfigError(f"no fault {planned.kind!r}", path=plan.path, line=planned.line)
    if planned.target not in targets:
        raise ConfigError(f"no target {planned.target!r}", path=plan.path, line=planned.line)
    fault, target = kinds[planned.kind], targets[planned.target]
    if not fault.target_kinds & target.kinds:
        message = f"{planned.kind} cannot be done to {planned.target!r}"
        raise ConfigError(message, path=plan.path, line=planned.line)
    values = {name: p.default for name, p in fault.parameters.items()} | dict(planned.parameters)
    if missing := [name for name, value in values.items() if value is REQUIRED]:
        raise ConfigError(f"{planned.kind} needs {missing[0]!r}", path=plan.path, line=planned.line)
    return fault(), replace(planned, parameters=values)
