"""Climbs a staircase that stops at its knee: step by step, by what the crowd says of each second.

    step n ends ── what it showed ── what comes next ── ordered ── step n+1 ...

While it goes well the next step is ordered before the last one ends: whatever that shows, it cannot be the last. Once
a step did not keep up there is a pause, in which nobody comes, until it has been judged and what had piled up is
worked off, PAUSE_S at most. The same seconds bring the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from flashdrill.analysis.climbing import Next, following, state_of, usually_out
from flashdrill.analysis.validity import LATENESS_FLOOR_S, LATENESS_SHARE
from flashdrill.model.calibration import CPU_LIMIT
from flashdrill.model.capacity import Ended, Step, StepState
from flashdrill.model.climbed import Climbed, Ordered
from flashdrill.model.scenario import PAUSE_S, Climb, Stage

JITTER_S = 0.05
"""By so much the crowd's seconds may be off."""
LEAD_S = 0.3
"""The least time between an order and the step's first arrival: the crowd looks for orders all the time."""
ASKED_SHARE = 0.5
"""Of the arrivals due in a step so many ask for something in it; with fewer, the crowd's own code does not work."""

Order = Callable[[tuple[Stage, ...]], None]


class Climber:
    """Orders the steps after the first, which the crowd has been given. `climbed` says how far it has come.

    `limit_s` is the tightest limit of a response time that the scenario's gates have, if there is one.
    """

    def __init__(self, climb: Climb, order: Order, *, limit_s: float | None = None) -> None:
        self._climb, self._order, self._limit_s = climb, order, limit_s
        self._seconds: list[_Second] = []
        self._seen: list[Step] = []
        first = climb.stages("1", climb.rates[0], climb.start_s)
        self.climbed = Climbed([Ordered(climb.rates[0], first)])

    def take(self, line: Mapping[str, Any]) -> None:
        """One `second` line of the crowd."""
        start_s = self._seconds[-1].end_s if self._seconds else 0.0
        self._seconds.append(_Second(start_s, float(line["t_s"]), line))
        while self.climbed.ended is None and self._judge_next():
            pass
        if self.climbed.ended is None:
            self._go_on(line)

    def _judge_next(self) -> bool:
        """Judge the first step that is over and not judged; whether there was one."""
        steps = self.climbed.steps
        if len(self._seen) == len(steps):
            return False
        step = steps[len(self._seen)]
        if self._seconds[-1].end_s < step.end_s - JITTER_S:
            return False
        self._seen.append(seen(step, self._seconds, self._limit_s))
        return True

    def _go_on(self, line: Mapping[str, Any]) -> None:
        """Order what is certain to come next, or end."""
        steps, now_s = self.climbed.steps, float(line["t_s"])
        open_steps = len(steps) - len(self._seen)
        if open_steps > 1:
            return
        if open_steps:
            worst = replace(_nothing(steps[-1]), state=StepState.PAST)
            coming = following(self._climb, [*self._seen, worst])
            if isinstance(coming, Next) and not _is_extra(coming):
                self._take_step(coming, steps[-1].end_s, now_s)
            return
        coming = following(self._climb, self._seen)
        if isinstance(coming, Ended):
            self.climbed.ended = coming
            self._order(())
        elif not line["in_flight"] or now_s >= steps[-1].end_s + PAUSE_S:
            self._take_step(coming, math.ceil(now_s + LEAD_S), now_s)

    def _take_step(self, coming: Next, start_s: float, now_s: float) -> None:
        start_s = start_s if start_s >= now_s + LEAD_S else math.ceil(now_s + LEAD_S)
        stages = self._climb.stages(coming.label, coming.per_s, start_s)
        self.climbed.steps.append(Ordered(coming.per_s, stages, _is_extra(coming)))
        self._order(stages)


@dataclass(frozen=True, slots=True)
class _Second:
    start_s: float
    end_s: float
    line: Mapping[str, Any]


def seen(step: Ordered, seconds: Sequence[_Second], limit_s: float | None) -> Step:
    """What the crowd's own seconds say of a step; one of which no whole second is known says nothing."""
    hold = step.hold
    lines = [
        second.line
        for second in seconds
        if second.start_s >= hold.start_s - JITTER_S and second.end_s <= hold.end_s + JITTER_S
    ]
    due = sum(line["due"] for line in lines)
    if not due:
        return replace(_nothing(step), state=StepState.GENERATOR)
    asked = sum(line["sent"] + line["not_sent"] for line in lines)
    answered = sum(line["ok"] + line["refused"] for line in lines)
    is_generator = asked < ASKED_SHARE * due or _is_generator(lines, limit_s)
    out = usually_out(
        lines[-1]["in_flight"],
        _open_at(hold.start_s, seconds),
        asked / hold.duration_s,
        _usual_s(seconds),
    )
    share = min(1.0, max(0.0, 1 - (asked - answered - out) / due))
    state = state_of(1.0, share, is_generator)
    return replace(_nothing(step), achieved_per_s=share * step.rate_per_s, state=state)


def _open_at(time_s: float, seconds: Sequence[_Second]) -> int:
    """How many operations were open then."""
    before = [second.line["in_flight"] for second in seconds if second.end_s <= time_s + JITTER_S]
    return before[-1] if before else 0


def _usual_s(seconds: Sequence[_Second]) -> float:
    """How long an answer takes while nothing piles up: the least of the medians so far."""
    medians = [s.line["p50_ms"] for s in seconds if s.line["p50_ms"] is not None]
    return min(medians, default=0.0) / 1e3


def _nothing(step: Ordered) -> Step:
    return Step(
        stage=step.hold.name,
        rate_per_s=step.rate_per_s,
        offered_per_s=step.rate_per_s,
        achieved_per_s=0.0,
        state=StepState.KEPT_UP,
        is_extra=step.is_extra,
    )


def _is_generator(lines: Sequence[Mapping[str, Any]], limit_s: float | None) -> bool:
    """Whether the generator could not keep up in most of these seconds."""
    late_ms = [line["lateness_p99_ms"] for line in lines if line["lateness_p99_ms"] is not None]
    p50_ms = [line["p50_ms"] for line in lines if line["p50_ms"] is not None]
    yardstick_s = limit_s if limit_s is not None else median(p50_ms or [0.0]) / 1e3
    most_ms = 1e3 * max(LATENESS_FLOOR_S, LATENESS_SHARE * yardstick_s)
    cpu: float = sum(line["cpu"] for line in lines) / len(lines)
    late: float = median(late_ms or [0.0])
    return cpu > CPU_LIMIT or late > most_ms


def _is_extra(step: Next) -> bool:
    return step.label.startswith("b")
