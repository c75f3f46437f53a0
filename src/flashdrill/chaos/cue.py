"""When a fault starts that the run itself starts: at a condition, or with another such fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from flashdrill.chaos.course import Course
from flashdrill.model.condition import Condition
from flashdrill.model.faults import Trigger

Until: TypeAlias = Callable[[Condition], Awaitable[float]]
"""Waits until a condition comes true, from now on; the moment on the monotonic clock."""
FOLLOWING_TIMEOUT_S = 20.0
"""How much later than it may a fault may start that is followed: its baseline and its injection take time."""


class Cue:
    """Waits for the starts of the faults of a timetable; `courses` are all of them by id."""

    def __init__(
        self,
        courses: Mapping[str, Course],
        until: Until | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._courses = courses
        self._until = until
        self._now = now

    async def wait(self, course: Course, t0_s: float) -> float | None:
        """Seconds since the run's start; None when it never came, and the course says why."""
        trigger = course.ctx.planned.trigger
        if trigger is None:
            return course.ctx.planned.start_s
        grace_s = 0.0 if trigger.condition else FOLLOWING_TIMEOUT_S
        limit_s = max(0.0, t0_s + trigger.until_s - self._now()) + grace_s
        try:
            async with asyncio.timeout(limit_s):
                missed = await self._come(course, trigger, t0_s)
        except TimeoutError:
            missed = self._never(trigger, t0_s)
        if missed:
            course.give_up(t0_s, missed)
            return None
        return self._now() - t0_s

    async def _come(self, course: Course, trigger: Trigger, t0_s: float) -> str:
        """Wait for it; why it will never come, or nothing."""
        start_s = t0_s + trigger.after_s if trigger.condition else 0.0
        if trigger.follows:
            await self._courses[trigger.follows].is_decided.wait()
            since_s = self._began_s(trigger)
            if since_s is None:
                return self._never(trigger, t0_s)
            start_s = max(start_s, since_s + trigger.offset_s)
        await asyncio.sleep(max(0.0, start_s - self._now()))
        if trigger.condition:
            assert self._until is not None
            await self._until(trigger.condition)
            course.told_to_start()
        return ""

    def _began_s(self, trigger: Trigger) -> float | None:
        """Since when the offset from the one that it follows counts; None: that one did not begin."""
        leader = self._courses[trigger.follows]
        return leader.cue_s if trigger.condition else leader.attempted_s

    def _never(self, trigger: Trigger, t0_s: float) -> str:
        if trigger.follows:
            since_s = self._began_s(trigger)
            if since_s is None:
                return f"{trigger.follows}, which it follows, was not made"
            if since_s + trigger.offset_s > t0_s + trigger.until_s:
                return f"{trigger.follows}, which it follows, began so late that no time was left"
        condition = trigger.condition.text if trigger.condition else ""
        return f"its condition never came true: {condition}"
