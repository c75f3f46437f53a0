"""The faults of a run at their times, side by side, and the promise that all of them are healed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from flashdrill.chaos.course import Course, Tell
from flashdrill.chaos.fault import REQUIRED, Fault, FaultContext
from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.chaos.unhurried import finish
from flashdrill.edge.client import Edge
from flashdrill.errors import ConfigError
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

    Events: {"t_mono_ns", "event": "fault", "id", "phase": inject | observed | healed | failed, "kind", "target",
    and "detail" where there is something to say}.
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
    ) -> None:
        self._targets = targets
        toxiproxy = Toxiproxy(toxiproxy_url)
        self._courses: dict[str, Course] = {}
        self._now = now
        for line in plan.faults:
            fault, planned = _resolved(plan, line, kinds, targets)
            ctx = FaultContext(
                planned=planned,
                target=targets[planned.target],
                toxiproxy=toxiproxy,
                processes=processes,
                observe_s=min(OBSERVE_SHARE * planned.duration_s, OBSERVE_LIMIT_S),
                others_in_force=partial(self._others, planned),
                edge=edge,
                seed=seed,
                log_dir=log_dir,
                targets=targets,
            )
            self._courses[planned.id] = Course(
                fault, ctx, journal=journal, on_event=on_event, now=now
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
        lead_s = self._lead_s(course.ctx.planned)
        if not lead_s:
            await self._after_predecessors(course.ctx.planned, t0_s)
        await course.run(t0_s, lead_s)

    async def _heal_all(self) -> tuple[str, ...]:
        async with asyncio.TaskGroup() as group:
            for course in self._courses.values():
                group.create_task(course.heal())
        return self.active()

    def _lead_s(self, planned: PlannedFault) -> float:
        """A baseline must not be measured while another fault begins or ends on the same server."""
        moments = [m for o in self._neighbours(planned) for m in (o.start_s, o.end_s)]
        gaps = [planned.start_s - m for m in moments if m <= planned.start_s]
        return 0.0 if gaps and min(gaps) < 2 * BASELINE_LEAD_S else BASELINE_LEAD_S

    async def _after_predecessors(self, planned: PlannedFault, t0_s: float) -> None:
        before = [o for o in self._neighbours(planned) if o.end_s <= planned.start_s]
        limit_s = max(0.0, t0_s + planned.start_s - self._now()) + PREDECESSOR_TIMEOUT_S
        try:
            async with asyncio.timeout(limit_s):
                for other in before:
                    await self._courses[other.id].is_over.wait()
        except TimeoutError:
            return

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
