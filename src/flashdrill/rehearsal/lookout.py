"""The lookout of a run: whether its steady state holds before the first fault, and whether it must end early.

    0 s ── warm-up ── look ──────────────┬── faults ──┬── back? ──> (judged when the run is over)
                      broken: stop, 3    └────────────┘
      ── abort conditions, each second ──────────────────────────  one true: heal, stop, 1

Nothing is injected before the look is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from flashdrill.analysis.gates import unit_of
from flashdrill.errors import ConfigError
from flashdrill.model.condition import Condition
from flashdrill.model.faults import FaultPlan
from flashdrill.model.scenario import Scenario
from flashdrill.model.steady_state import Aborted, Look, SteadyState, Watched
from flashdrill.rehearsal.live_numbers import JITTER_S, LiveNumbers, Second, measured
from flashdrill.rehearsal.trace import Trace

WARM_UP_S = 2.0
"""The first seconds of load, which no steady state is judged by."""
LOOK_S = 10.0
"""The longest time before the first fault that it is judged by."""
LEAD_S = 2.0
"""Kept free before the first fault: its baseline, and the time until the crowd's last second is heard."""
LEAST_S = WARM_UP_S + 2.0 + LEAD_S
"""The earliest start of a fault with which there is something to judge by."""
WINDOW_S = 3.0
"""Afterwards it holds again when so many seconds together say so, or as many as the condition's `for`."""


class Lookout:
    """Looks at each second. `must_stop` is set when the run must end early: `trace` then says why."""

    def __init__(
        self, scenario: Scenario, plan: FaultPlan, numbers: LiveNumbers, trace: Trace
    ) -> None:
        self._numbers, self._trace = numbers, trace
        self._aborts = (*scenario.aborts, *plan.aborts)
        trace.steady = [
            Watched(condition, state.back_within_s)
            for state in steady_states(scenario, plan)
            for condition in state.conditions
        ]
        self._until_s = _look_until_s(scenario, plan)
        self._has_looked = asyncio.Event()
        self.must_stop = asyncio.Event()
        self._may_begin = not trace.steady
        if self._may_begin:
            self._has_looked.set()

    async def may_begin(self) -> bool:
        """Whether faults may be made; waits until that is known."""
        await self._has_looked.wait()
        return self._may_begin

    def take(self, second: Second) -> None:
        """A second that the numbers have just taken in."""
        if self.must_stop.is_set():
            return
        self._watch_steady(second)
        if not self._has_looked.is_set() and second.end_s >= self._until_s - JITTER_S:
            self._look()
        if not self.must_stop.is_set():
            self._watch_aborts(second)

    def end(self, why: str, at_s: float) -> None:
        """The run must end early, whatever the system does; it cannot tell then."""
        self._trace.problems.append(why)
        self._trace.stop_reason, self._trace.stopped_s = why, at_s
        self.must_stop.set()

    def over(self) -> None:
        """The load is over: nothing more will be known."""
        self._has_looked.set()

    def _watch_steady(self, second: Second) -> None:
        for watched in self._trace.steady:
            condition = watched.condition
            watched.seconds.append(_look([second], condition))
            window = self._numbers.window(max(WINDOW_S, condition.for_s))
            if window:
                watched.windows.append(_look(window, condition))

    def _look(self) -> None:
        """Judge the steady state by the time before the first fault."""
        start_s = max(WARM_UP_S, self._until_s - LOOK_S)
        seconds = self._numbers.between(start_s, self._until_s)
        if not seconds:  # a crowd that has told nothing of this time has not been seen
            return
        for watched in self._trace.steady:
            watched.before = _look(seconds, watched.condition)
        self._may_begin = all(
            w.condition.is_met(w.before.value) for w in self._trace.steady if w.before
        )
        self._has_looked.set()
        if not self._may_begin:
            self._trace.stopped_s = seconds[-1].end_s
            self.must_stop.set()

    def _watch_aborts(self, second: Second) -> None:
        for condition in self._aborts:
            if self._numbers.is_true(condition):
                window = self._numbers.window(condition.for_s)
                value = measured(window, condition)
                assert value is not None
                self._trace.aborted = Aborted(
                    text=condition.text,
                    value=value,
                    unit=unit_of(condition.metric),
                    from_s=window[0].start_s,
                    at_s=second.end_s,
                )
                self._trace.stopped_s = second.end_s
                self.must_stop.set()
                return


def steady_states(scenario: Scenario, plan: FaultPlan) -> Iterator[SteadyState]:
    """Those of the scenario and of its plans."""
    if scenario.steady_state is not None:
        yield scenario.steady_state
    yield from plan.steady_states


def check_time_to_look(scenario: Scenario, plan: FaultPlan) -> None:
    """Raise ConfigError when the first fault leaves no time to see the steady state before it."""
    if not any(steady_states(scenario, plan)):
        return
    for fault in plan.faults:
        if fault.trigger is None and fault.start_s < LEAST_S:
            raise ConfigError(
                f"fault {fault.id!r} starts {fault.start_s:g} s after the run's start: the steady state cannot be seen "
                "before it",
                path=plan.path,
                line=fault.line,
                remedy=f"start it {LEAST_S:g} s after the run's start or later, or leave out steady_state",
            )


def _look_until_s(scenario: Scenario, plan: FaultPlan) -> float:
    """Faults that wait for a condition wait for the look, too."""
    starts = [
        fault.start_s if fault.trigger is None else max(fault.start_s, LEAST_S)
        for fault in plan.faults
    ]
    first_s = min(starts, default=WARM_UP_S + LOOK_S + LEAD_S)
    return min(first_s - LEAD_S, float(int(scenario.duration_s)))


def _look(seconds: Iterable[Second], condition: Condition) -> Look:
    stretch = list(seconds)
    return Look(stretch[0].start_s, stretch[-1].end_s, measured(stretch, condition))
