"""The crowd as Locust sees it: one user whose single task walks the schedule of the whole crowd.

Locust's own users are a closed model: each waits for its answer before it comes again, so a slow
server slows them down. Here Locust starts, stops and hosts the process, and hears of every
operation through its `request` event, with the response time counted from when it was due.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import gevent
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from flashdrill.errors import ConfigError, FlashdrillError
from flashdrill.load.beside import Beside
from flashdrill.load.calibration import calibrate
from flashdrill.load.driver import Driver, Journey
from flashdrill.load.fence import fenced
from flashdrill.load.live import tell_refusal
from flashdrill.load.session import Session
from flashdrill.load.spec import CROWD_ENV, CrowdSpec, read_spec
from flashdrill.model.op import Op, Outcome

_MARK = "__flashdrill_journey__"
_Method = TypeVar("_Method", bound=Callable[[Any, Session], object])

STAND_BY_S = 60.0
STAY_POLL_S = 0.1

logger = logging.getLogger(__name__)


def journey(method: _Method) -> _Method:
    """Mark a method of an OpenCrowd as a journey; scenarios name it in `arrivals`."""
    setattr(method, _MARK, True)
    return method


class OperationError(Exception):
    """What Locust is told of an operation that was not acknowledged; the message is its reason."""


class OpenCrowd(User):
    """Customers who come when they are due, not when the server has time for them.

    Subclass it in a locustfile and mark its journeys: methods that take a `Session`.
    """

    abstract = True

    spec: CrowdSpec
    beside: Beside | None = None
    """The users of plain Locust in the same locustfile."""

    @classmethod
    def journeys(cls) -> tuple[str, ...]:
        """The names of the journeys, sorted."""
        return tuple(name for name in sorted(dir(cls)) if hasattr(getattr(cls, name, None), _MARK))

    @task
    def crowd(self) -> None:
        """The only task: the whole crowd, once. Without a harness the process plays its share by itself (party.py)."""
        if not os.environ.get(CROWD_ENV):
            while True:
                gevent.sleep(STAND_BY_S)
        self.come()
        raise StopUser

    def come(self) -> None:
        """The whole crowd, once; then Locust ends, with an exit code that says whether the crowd could go on."""
        try:
            self._gather()
        except FlashdrillError as error:
            logger.error("%s", error)  # noqa: TRY400  (a message for people, no traceback)
            self.environment.process_exit_code = error.exit_code
        except Exception:
            logger.exception("the crowd cannot go on")
            self.environment.process_exit_code = FlashdrillError.exit_code
        gevent.spawn(self.environment.runner.quit)

    def _gather(self) -> None:
        self.spec = read_spec(Path(os.environ[CROWD_ENV]))
        calibration = asdict(calibrate(self.spec)) if self.spec.calibrate_s else None
        is_heard = _somebody_listens(self.environment)
        on_ended = self.tell_locust if is_heard else None
        driver = self._driver(on_ended)
        self.environment.events.quitting.add_listener(self._closer(driver))
        driver.ready(calibration=calibration)
        try:
            t0_ns = driver.await_start()
            if self.beside is not None:
                self.beside.begin()
            driver.run(t0_ns)
            self._stay(t0_ns)
        except BaseException as error:  # Locust's ceiling ends a greenlet with GreenletExit
            driver.stop()
            if isinstance(error, Exception):
                driver.failed(error)
            raise
        finally:
            driver.close(**self._facts())
        self.environment.process_exit_code = 0

    def _driver(self, on_ended: Callable[[Op], None] | None) -> Driver:
        try:
            return Driver(self.spec, self.journeys_for(self.spec), on_ended=on_ended)
        except ConfigError as error:
            tell_refusal(Path(self.spec.live_path), error)
            raise

    def _stay(self, t0_ns: int) -> None:
        """Where nobody is in the crowd the others stay until the last stage is over."""
        end_ns = t0_ns + round(self.spec.duration_s * 1e9)
        while self.beside is not None and not self.journeys() and time.monotonic_ns() < end_ns:
            gevent.sleep(STAY_POLL_S)

    def journeys_for(self, spec: CrowdSpec) -> dict[str, Journey]:
        """The journeys by name, ready for this run."""
        self.spec = spec
        return {name: getattr(self, name) for name in self.journeys()}

    def tell_locust(self, op: Op) -> None:
        """Let Locust count an operation that has ended: the response time is that from when it was due."""
        if self.beside is not None:
            self.beside.told_of_crowd()
        is_expected = op.outcome is Outcome.OK or op.is_refusal
        self.environment.events.request.fire(
            request_type=op.journey,
            name=op.kind,
            response_time=(op.done_ns - op.due_ns) / 1e6,
            response_length=0,
            exception=None if is_expected else OperationError(op.reason),
            context={},
            response=None,
        )

    def _facts(self) -> dict[str, object]:
        beside = self.beside.facts() if self.beside is not None else {}
        return {**beside, **fenced()}

    def _closer(self, driver: Driver) -> Callable[..., None]:
        """What to do when Locust quits: at the end it finds nothing left, at a SIGTERM it ends everything."""

        def close(**_: object) -> None:
            driver.stop()
            driver.close(**self._facts())
            if self.environment.process_exit_code is None:
                self.environment.process_exit_code = (
                    0  # operations that failed are no error of ours
                )

        return close


def _somebody_listens(environment: Environment) -> bool:
    """Whether the locustfile hears of requests. Locust's own table, which nobody sees here, costs 10 µs for each."""
    handlers = environment.events.request._handlers
    ours = ("locust.", "flashdrill.")
    return any(not handler.__module__.startswith(ours) for handler in handlers)
