"""A circuit breaker for asyncio around pybreaker's state machine.

pybreaker keeps the state. It does not know coroutines, rates, cancellation or our clock, so:

    closed ── failure rate over window_s reaches failure_rate, at least min_calls ──> open
    open ── reset_s later the next call takes a permit ──> half-open
    half-open ── a probe succeeds ──> closed          half-open ── a probe fails ──> open

A call that its client cancelled says nothing about the dependency: it is neither a success nor a failure,
and a cancelled probe gives its permit back. The deadline of a call therefore belongs inside the guard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Any

from pybreaker import (
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerListener,
)

from backend.clock import Clock
from backend.window import SlidingWindow

STATES = (STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN)
"""The position of a state is its number in the metric `flashdrill_breaker_state`."""

_NEVER_S = timedelta(days=3650).total_seconds()  # pybreaker's own timer runs on the wall clock


class BreakerOpenError(Exception):
    """The call was refused before anything was attempted: it definitely did not happen."""

    is_definite = True

    def __init__(self, name: str, retry_after_s: float) -> None:
        super().__init__(f"the breaker of {name} is open; a probe is due in {retry_after_s:.2f} s")
        self.name = name
        self.retry_after_s = retry_after_s  # nominal seconds


def any_exception(error: BaseException) -> bool:
    """The default predicate: every error is the dependency's failure."""
    return isinstance(error, Exception)


class Breaker:
    """One dependency's breaker; used from one event loop as `async with breaker.guard(): ...`."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        on_change: Callable[[str, str], None] | None = None,
        is_failure: Callable[[BaseException], bool] = any_exception,
        window_s: float = 10.0,
        failure_rate: float = 0.5,
        min_calls: int = 10,
        reset_s: float = 5.0,
        half_open_probes: int = 1,
    ) -> None:
        """Times are nominal seconds. `on_change(name, state)` is called at each change of state.

        `is_failure` says which errors speak against the dependency; other errors are answers, and count as
        successes. What is not an `Exception` (a cancellation) counts as nothing at all.
        """
        self.name = name
        self._clock = clock
        self._is_failure = is_failure
        self._failure_rate = failure_rate
        self._min_calls = min_calls
        self._reset_s = reset_s
        self._max_probes = half_open_probes
        self._probes = 0
        self._opened_at = 0.0
        self._period = (
            0  # counts changes of state: a call that began before the last one says nothing new
        )
        self._window = SlidingWindow(window_s)
        self._circuit = CircuitBreaker(
            name=name,
            fail_max=sys.maxsize,
            success_threshold=sys.maxsize,
            reset_timeout=_NEVER_S,
            exclude=[self._is_excluded],
            listeners=[_Changes(self._changed)],
            throw_new_error_on_trip=False,
        )
        self._on_change = on_change

    @property
    def state(self) -> str:
        """`closed`, `half-open` or `open` (until a call comes after reset_s to probe)."""
        return str(self._circuit.current_state)

    @property
    def retry_after_s(self) -> float:
        """Nominal seconds until a probe is let through; 0 when a call may be made now."""
        if self.state != STATE_OPEN:
            return 0.0
        return max(0.0, self._opened_at + self._reset_s - self._clock.now())

    def guard(self) -> Guard:
        """One call of the dependency. Entering raises BreakerOpenError when it is not to be made."""
        return Guard(self)

    def _admit(self) -> bool:
        """Let a call in and return whether it is a probe, or raise BreakerOpenError."""
        if self.state == STATE_CLOSED:
            return False
        if self.retry_after_s > 0 or self._probes >= self._max_probes:
            raise BreakerOpenError(self.name, self.retry_after_s)
        if self.state == STATE_OPEN:
            self._circuit.half_open()
        self._probes += 1
        return True

    def _settle(self, error: BaseException | None, period: int) -> None:
        """Count a call that ended; pybreaker itself has reopened the circuit after a failed probe."""
        if period != self._period or not (error is None or isinstance(error, Exception)):
            return
        failed = error is not None and self._is_failure(error)
        if self.state == STATE_HALF_OPEN:
            self._circuit.close()
        elif self.state == STATE_CLOSED:
            self._window.add(failed, self._clock.now())
            self._trip_if_due()

    def _trip_if_due(self) -> None:
        failures, calls = self._window.totals(self._clock.now())
        if calls >= self._min_calls and failures >= self._failure_rate * calls and failures:
            self._circuit.open()

    def _is_excluded(self, error: BaseException) -> bool:
        return not (isinstance(error, Exception) and self._is_failure(error))

    def _changed(self, old: str, new: str) -> None:
        self._period += 1
        self._window.clear()
        if new == STATE_OPEN:
            self._opened_at = self._clock.now()
        if new != old and self._on_change is not None:
            self._on_change(self.name, new)


class Guard:
    """The context of one guarded call; not to be entered twice."""

    __slots__ = ("_breaker", "_calling", "_is_probe", "_period")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    async def __aenter__(self) -> None:
        breaker = self._breaker
        self._is_probe = breaker._admit()
        self._period = breaker._period
        self._calling: AbstractContextManager[Any] = breaker._circuit.calling()
        self._calling.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        breaker = self._breaker
        if self._is_probe:
            breaker._probes -= 1
        try:
            self._calling.__exit__(kind, error, trace)
        finally:
            breaker._settle(error, self._period)


class _Changes(CircuitBreakerListener):
    """Passes pybreaker's changes of state on by name."""

    def __init__(self, changed: Callable[[str, str], None]) -> None:
        self._changed = changed

    def state_change(self, cb: CircuitBreaker, old_state: Any, new_state: Any) -> None:
        self._changed(old_state.name if old_state else STATE_CLOSED, new_state.name)
