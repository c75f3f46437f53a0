"""The load process at work: schedule → customers → wire, with the history and the live log beside it.

arrivals ──> Walk ──spawn──> Session(journey) ──> Operations ──> Wire
                                                      │
                                 Recorder, LiveLog, Locust's request event
"""

from __future__ import annotations

import gc
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import gevent
from gevent import GreenletExit
from gevent.event import Event
from gevent.pool import Group

from flashdrill.errors import ConfigError, StackError
from flashdrill.load.actors import KILL_TIMEOUT_S, Actors
from flashdrill.load.dice import dice
from flashdrill.load.dispatch import Walk
from flashdrill.load.http import Wire
from flashdrill.load.live import LiveLog
from flashdrill.load.operations import Operations
from flashdrill.load.orders import ordered
from flashdrill.load.rate_cap import RateCap
from flashdrill.load.record import Recorder
from flashdrill.load.schedule import Arrival, arrivals
from flashdrill.load.session import Market, Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.op import Op
from flashdrill.model.scenario import Stage

CUSTOMERS_PER_PLACE = 16
"""Customers at once, those who think included, for each place in flight; more are not sent."""

FLUSH_S = 0.25
JOIN_POLL_S = 0.02
CLOSE_TIMEOUT_S = 10.0

Journey = Callable[[Session], object]


class Driver:
    """Runs one worker's share of the crowd. `on_ended` is told of each operation (Locust's event).

    `ready`, `await_start`, `run`, then `close`; `stop` may be called at any time, from any greenlet.
    """

    def __init__(
        self,
        spec: CrowdSpec,
        journeys: Mapping[str, Journey],
        *,
        on_ended: Callable[[Op], None] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        _check_journeys(spec, journeys)
        self._spec, self._journeys = spec, journeys
        self._on_ended, self._clock_ns = on_ended, clock_ns
        self._recorder = Recorder(Path(spec.ops_path))
        self._live = LiveLog(Path(spec.live_path), clock_ns=clock_ns, cpu_s=time.process_time)
        self._wire = Wire(
            {"backend": spec.base_url, "payment": spec.payment_url},
            connections=spec.limits.in_flight,
            clock_ns=clock_ns,
            hosts=spec.hosts,
            headers=spec.headers,
            count=None if spec.limits.rate_max is None else self._cap(spec.limits.rate_max).count,
        )
        self._operations = Operations(
            self._wire,
            self,
            in_flight_max=spec.limits.in_flight,
            request_timeout_s=spec.limits.request_timeout_s,
            max_attempts=spec.limits.max_attempts,
            clock_ns=clock_ns,
            sleep=gevent.sleep,
            worker=spec.worker,
        )
        self._actors = Actors(self._tell_error)
        self._customers_max = spec.limits.in_flight * CUSTOMERS_PER_PLACE
        self._chores = Group()
        self._walk: Walk | None = None
        self._market = Market(spec.world, spec.stages, spec.parameters, clock_ns())
        self._was_stopped = self._is_closing = False
        self._closed = Event()

    def ready(self, **facts: object) -> None:
        """Tell the harness that the crowd may start, and these facts; leave garbage collection little to do."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        self._live.event("ready", pid=os.getpid(), worker=self._spec.worker, **facts)

    def await_start(self) -> int:
        """The start (CLOCK_MONOTONIC ns) that the harness wrote. Raises StackError when it does not come in time."""
        path = Path(self._spec.start_path)
        deadline_ns = self._clock_ns() + round(self._spec.start_timeout_s * 1e9)
        while not path.exists() and not self._was_stopped:
            if self._clock_ns() > deadline_ns:
                raise StackError(f"no start was given within {self._spec.start_timeout_s:g} s")
            gevent.sleep(0.01)
        return (
            self._clock_ns()
            if self._was_stopped
            else int(json.loads(path.read_text())["t0_mono_ns"])
        )

    def run(self, t0_ns: int) -> None:
        """Let everyone come, and wait for the last of them (bounded: who is still out then is recorded as unknown)."""
        spec = self._spec
        self._walk = Walk(t0_ns=t0_ns, clock_ns=self._clock_ns, sleep=gevent.sleep)
        self._walk.is_stopped = self._was_stopped
        self._market = Market(spec.world, spec.stages, spec.parameters, t0_ns)
        for chore in (self._report, self._flush):
            self._chores.spawn(self._chore, chore)
        stages = self._stages() if spec.orders_path else spec.stages
        due = arrivals(stages, spec.seed, worker=spec.worker, workers=spec.workers)
        self._walk.run(due, self._begin)
        if not self._was_stopped:
            self._join(spec.finish_timeout_s)

    def _stages(self) -> Iterator[Stage]:
        """Those that were given, then those that are ordered."""
        yield from self._spec.stages
        path, walk = Path(self._spec.orders_path), self._walk
        assert walk is not None
        for stage in ordered(path, sleep=gevent.sleep, is_stopped=lambda: walk.is_stopped):
            self._market.add(stage)
            yield stage

    def stop(self) -> None:
        """No more arrivals; what is open is recorded as unknown."""
        self._was_stopped = True
        if self._walk is not None:
            self._walk.is_stopped = True

    def close(self, **facts: object) -> None:
        """End what is open, complete the history, say the totals and these facts; when repeated it waits for that."""
        if self._is_closing:
            self._closed.wait(CLOSE_TIMEOUT_S)  # Locust ends the process when this returns
            return
        self._is_closing = True
        try:
            self._close(facts)
        finally:
            self._closed.set()

    def _close(self, facts: Mapping[str, object]) -> None:
        self._actors.end()
        self._chores.kill(timeout=KILL_TIMEOUT_S)
        self._wire.close()
        try:
            self._recorder.close()
        except OSError as error:
            self._live.error("crowd", f"the history could not be written: {error}")
        self._say_second()
        self._live.done(t_s=self._elapsed_s(), was_interrupted=self._was_stopped, **facts)

    def failed(self, error: BaseException) -> None:
        """Say why the crowd cannot go on."""
        self._live.error("crowd", f"{type(error).__name__}: {error}")

    def sent(self, lateness_ns: int) -> None:
        """An operation leaves (`operations.Watch`)."""
        self._live.sent(lateness_ns)

    def ended(self, op: Op) -> None:
        """An operation has ended (`operations.Watch`)."""
        self._live.ended(op)
        self._recorder.add(op)
        if self._on_ended is not None:
            self._on_ended(op)

    def _cap(self, per_s: float) -> RateCap:
        """What ends the run when more would be sent in a second."""

        def exceeded(most: int) -> None:
            self._live.event("over_cap", t_s=round(self._elapsed_s(), 3), requests_per_s=most)
            self.stop()

        return RateCap(per_s, self._spec.workers, exceeded)

    def _begin(self, arrival: Arrival, due_ns: int) -> None:
        self._live.due()
        has_room = len(self._actors) < self._customers_max
        self._actors.begin(arrival.journey, self._travel, arrival, due_ns, has_room)

    def _travel(self, arrival: Arrival, due_ns: int, has_room: bool) -> None:
        assert self._walk is not None
        session = Session(
            self._market,
            self._operations,
            rng=dice(self._spec.seed, arrival.index),
            journey=arrival.journey,
            due_ns=due_ns,
            sleep_until=self._rest_until,
            spawn=self._beside,
            has_room=has_room,
            number=arrival.index,
        )
        self._journeys[arrival.journey](session)
        if not session.operations_done:
            raise ConfigError(f"the journey {arrival.journey!r} ended without an operation")

    def _rest_until(self, due_ns: int) -> None:
        """A customer thinks. Raises GreenletExit, which ends him, when the load is stopped before that is over."""
        assert self._walk is not None
        self._walk.sleep_until(due_ns)
        if self._walk.is_stopped and self._clock_ns() < due_ns:
            raise GreenletExit

    def _beside(self, act: Callable[[], None], journey: str) -> None:
        """Let somebody act beside a customer."""
        self._actors.begin(journey, act)

    def _join(self, timeout_s: float) -> None:
        """Wait for those who are still out, for so long."""
        deadline_ns = self._clock_ns() + round(timeout_s * 1e9)
        while len(self._actors) and not self._was_stopped and self._clock_ns() < deadline_ns:
            gevent.sleep(JOIN_POLL_S)

    def _tell_error(self, journey: str) -> None:
        """An error of the crowd's own code is counted and told: it makes the run inconclusive."""
        self._live.error(journey, traceback.format_exc(limit=8))

    def _chore(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:
            self._tell_error("crowd")

    def _report(self) -> None:
        assert self._walk is not None
        second = 1
        while not self._walk.is_stopped:
            self._walk.sleep_until(self._market.t0_ns + second * 10**9)
            self._say_second()
            second = max(second + 1, int(self._elapsed_s()) + 1)

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self._recorder.flush()

    def _say_second(self) -> None:
        middle_ns = self._clock_ns() - 5 * 10**8
        stage = self._market.stage_at(middle_ns)
        self._live.second(t_s=self._elapsed_s(), stage=stage, in_flight=self._operations.in_flight)

    def _elapsed_s(self) -> float:
        return (self._clock_ns() - self._market.t0_ns) / 1e9


def _check_journeys(spec: CrowdSpec, journeys: Mapping[str, Journey]) -> None:
    wanted = {arrival.journey for stage in spec.stages for arrival in stage.arrivals}
    wanted |= {recording.journey for stage in spec.stages for recording in stage.recorded}
    unknown = sorted(wanted - journeys.keys())
    if unknown:
        raise ConfigError(
            f"the locustfile has no journey {', '.join(unknown)}",
            path=Path(spec.locustfile),
            remedy=f"it has: {', '.join(sorted(journeys)) or 'none'}; mark a method with @journey",
        )
