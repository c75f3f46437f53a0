"""Who may begin: the limits of a plan's blast radius, held at the moment at which a fault is to be made.

What has a planned start was held against them when the plan was read. Here it counts what is really in force, such as
a fault that the run started or one that will not heal, and what is planned to begin while this one lasts.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from flashdrill.chaos.course import Course
from flashdrill.model.blast_radius import BlastRadius
from flashdrill.model.faults import PlannedFault

ENDING_S = 1.0
"""A fault waits for others that end so soon, rather than being refused."""
HEALING_TIMEOUT_S = 5.0
"""How long it waits for them, and for those that are being healed."""

LOAD_IS_OVER = "not made, for what came before it took so long that the load was over"


class Admission:
    """The door of a timetable. `courses` are all of its faults by id; times are on the monotonic clock.

    After `load_s` of a run nothing begins any more: it would prove nothing about a system under load.
    """

    def __init__(
        self,
        radii: Sequence[BlastRadius],
        courses: Mapping[str, Course],
        now: Callable[[], float] = time.monotonic,
        load_s: float = math.inf,
    ) -> None:
        self._load_s = load_s
        self._radii = radii
        self._courses = courses
        self._now = now
        self._ends: dict[str, float] = {}  # when those that were admitted are to end

    async def refusal(self, planned: PlannedFault, t0_s: float) -> str:
        """Why a fault must not be made now; empty when it may, and then it counts as in force."""
        mine = [radius for radius in self._radii if planned.id in radius.reaches]
        if mine:
            await self._wait_for_healing(mine)
        if self._now() >= t0_s + self._load_s:
            return LOAD_IS_OVER
        for radius in mine:
            if why := self._beyond(radius, planned, t0_s):
                return why
        self._ends[planned.id] = self._now() + planned.duration_s
        return ""

    def _beyond(self, radius: BlastRadius, planned: PlannedFault, t0_s: float) -> str:
        now_s = self._now()
        coming = dict(self._coming(t0_s)) if planned.trigger else {}
        starts = [start_s for start_s, _ in coming.values()]
        for moment_s in (now_s, *(s for s in starts if now_s < s < now_s + planned.duration_s)):
            met = [
                fault for fault, (start_s, end_s) in coming.items() if start_s <= moment_s < end_s
            ]
            together = {planned.id, *met, *self._in_force(moment_s, now_s)}
            if excess := radius.excess(together):
                return f"not made, for it would touch {excess.words}"
        return ""

    def _in_force(self, moment_s: float, now_s: float) -> Iterator[str]:
        """Those that have begun and last until a moment; what should be over and is not counts for ever."""
        for fault, end_s in self._ends.items():
            is_late = end_s <= now_s
            if not self._courses[fault].is_gone.is_set() and (is_late or moment_s < end_s):
                yield fault

    def _coming(self, t0_s: float) -> Iterator[tuple[str, tuple[float, float]]]:
        """From when to when those with a planned start will last that have not begun."""
        for fault, course in self._courses.items():
            planned = course.ctx.planned
            if planned.trigger is None and fault not in self._ends and not course.is_gone.is_set():
                yield fault, (t0_s + planned.start_s, t0_s + planned.end_s)

    async def _wait_for_healing(self, mine: Sequence[BlastRadius]) -> None:
        soon_s = self._now() + ENDING_S
        ending = [
            self._courses[fault]
            for fault, end_s in self._ends.items()
            if end_s <= soon_s and any(fault in radius.reaches for radius in mine)
        ]
        try:
            async with asyncio.timeout(HEALING_TIMEOUT_S):
                for course in ending:
                    await course.is_gone.wait()
        except TimeoutError:
            return
