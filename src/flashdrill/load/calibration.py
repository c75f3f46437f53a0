"""What this load process can do at most: it sends to a server of ours that answers at once, before the run.

First LANES customers at a time, each an order by POST whose JSON answer is parsed; where one ends the next begins, with
a full record: that is all it can do, with answers that come in crowds. Then orders on a schedule, as in a run, at some
shares of that. Each of them wakes the process by itself, which costs more. The capacity is the rate on a schedule at
which it would use as much of its core as a valid stage may.

It is done in the load process itself, before the run and not after it: the capacity is known when the first arrival is
due, the tested service has nothing to do meanwhile, and no fault is in force.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gevent
import msgspec

from flashdrill.errors import StackError
from flashdrill.load.driver import Driver
from flashdrill.load.null_server import HOST
from flashdrill.load.operations import Answer, Call
from flashdrill.load.session import Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.calibration import CPU_LIMIT, Calibration
from flashdrill.model.scenario import Arrivals, Limits, Ramp, RecordedArrivals, Stage

LANES = 32
CROWDED_SHARE = 0.4
"""Of the time, for customers who follow one another; the rest is for orders on a schedule."""
WARM_UP_SHARE = 0.25
"""Of the time of each part; it opens the connections, and is not counted."""
RATES = (0.2, 0.35, 0.5)
"""Of what customers who follow one another get done: the rates of the orders on a schedule."""
END_TIMEOUT_S = 2.0
JOURNEY = "calibrate"
_BODY = b'{"user_id":"u4711","channel":"DY","lines":[{"sku":"hot-1","quantity":1,"price":"19.99"}]}'
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Operations a second over some time, and the share of a core that they took."""

    operations_per_s: float
    cpu: float


@dataclass(frozen=True, slots=True)
class _Mark:
    """How much was done by a moment."""

    now_ns: int
    cpu_s: float
    operations: int

    def since(self, before: _Mark) -> Stretch:
        seconds = (self.now_ns - before.now_ns) / 1e9
        done = self.operations - before.operations
        return Stretch(done / seconds, (self.cpu_s - before.cpu_s) / seconds)


def calibrate(spec: CrowdSpec) -> Calibration:
    """The capacity of this process, in `spec.calibrate_s` seconds. Raises StackError when it cannot be found."""
    crowded_s = spec.calibrate_s * CROWDED_SHARE
    with _null_server() as url, _files(spec) as (ops_path, live_path):
        own = msgspec.structs.replace(
            spec,
            base_url=url,
            payment_url=url,
            ops_path=str(ops_path),
            live_path=str(live_path),
            limits=Limits(in_flight=64 * LANES),
            orders_path="",
            worker=0,
            workers=1,
        )
        crowded = _crowded(own, crowded_s)
        scheduled = _scheduled(own, crowded, (spec.calibrate_s - crowded_s) / len(RATES))
    within = capacity(scheduled, crowded)
    return Calibration(
        operations_per_s=round(within, 1),
        cpu_us_per_operation=round(CPU_LIMIT / within * 1e6, 1),
        cpu=round(crowded.cpu, 3),
        saturated_per_s=round(crowded.operations_per_s, 1),
        seconds=round(spec.calibrate_s, 3),
    )


def capacity(scheduled: Sequence[Stretch], crowded: Stretch) -> float:
    """The rate at which CPU_LIMIT of a core would be used, on the line through the two measured ones nearest to it.

    `scheduled` ascends. It is no more than what was done at most.
    """
    below = [Stretch(0.0, 0.0), *(s for s in scheduled if s.cpu <= CPU_LIMIT)]
    above = [s for s in scheduled if s.cpu > CPU_LIMIT]
    first, second = (below[-1], above[0]) if above else below[-2:]
    slope = (second.operations_per_s - first.operations_per_s) / max(second.cpu - first.cpu, 1e-9)
    found = first.operations_per_s + (CPU_LIMIT - first.cpu) * max(slope, 0.0)
    return min(found, crowded.operations_per_s)


def _crowded(spec: CrowdSpec, seconds: float) -> Stretch:
    """Customers who follow one another."""
    relay = _Relay()
    stage = Stage(JOURNEY, 0.0, seconds, recorded=(RecordedArrivals(JOURNEY, (0.0,) * LANES),))
    _drive(spec, (stage,), relay.run, relay.begin(seconds))
    return relay.found()


def _scheduled(spec: CrowdSpec, crowded: Stretch, seconds: float) -> list[Stretch]:
    """Orders on a schedule, at each of the rates, which ascend. Raises StackError."""
    stages = []
    for place, share in enumerate(RATES):
        rate = share * crowded.operations_per_s
        ramp = (Ramp(seconds, rate, rate),)
        stages.append(
            Stage(f"{JOURNEY}-{place}", place * seconds, seconds, (Arrivals(JOURNEY, ramp),))
        )
    orders = _Orders(time.monotonic_ns(), seconds)
    watch = gevent.spawn(orders.watch)
    try:
        _drive(spec, stages, orders.run, orders.t0_ns)
    finally:
        watch.kill()
    return orders.found()


def _drive(
    spec: CrowdSpec, stages: Sequence[Stage], journey: Callable[[Session], None], t0_ns: int
) -> None:
    driver = Driver(msgspec.structs.replace(spec, stages=tuple(stages)), {JOURNEY: journey})
    try:
        driver.ready()
        driver.run(t0_ns)
    finally:
        driver.close()


class _Orders:
    """Orders on a schedule, and how much was done at the end of each stage's warm-up and at its end."""

    def __init__(self, t0_ns: int, seconds: float) -> None:
        self.t0_ns = t0_ns
        self._seconds = seconds
        self._operations = self._failures = 0
        self._marks: list[_Mark] = []

    def watch(self) -> None:
        """Take the marks, at their times."""
        for place in range(len(RATES)):
            for share in (WARM_UP_SHARE, 1.0):
                at_ns = self.t0_ns + round((place + share) * self._seconds * 1e9)
                gevent.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
                self._marks.append(_mark(self._operations))

    def run(self, session: Session) -> None:
        """One order."""
        self._failures += not _order(session).is_ok
        self._operations += 1

    def found(self) -> list[Stretch]:
        """What was done in each stage. Raises StackError."""
        if self._failures or len(self._marks) < 2 * len(RATES):
            raise _not_calibrated()
        return [
            after.since(before)
            for before, after in zip(self._marks[::2], self._marks[1::2], strict=True)
        ]


class _Relay:
    """Customers who hand over to the next, and what they have done since the warm-up was over."""

    def __init__(self) -> None:
        self._operations = self._failures = 0
        self._warm_ns = self._end_ns = 0
        self._marks: list[_Mark] = []

    def begin(self, seconds: float) -> int:
        """The start, which is now (CLOCK_MONOTONIC, ns)."""
        now_ns = time.monotonic_ns()
        self._end_ns = now_ns + round(seconds * 1e9)
        self._warm_ns = now_ns + round(seconds * WARM_UP_SHARE * 1e9)
        return now_ns

    def run(self, session: Session) -> None:
        """One order; then the next customer's, until the time is over."""
        answer = _order(session)
        self._operations += 1
        self._failures += not answer.is_ok
        now_ns = answer.op.done_ns
        if not self._marks and now_ns >= self._warm_ns:
            self._marks.append(_mark(self._operations))
        if now_ns < self._end_ns and not self._failures:
            session.beside(self.run)
        elif len(self._marks) == 1:
            self._marks.append(_mark(self._operations))

    def found(self) -> Stretch:
        """What was done between warm-up and end. Raises StackError."""
        if self._failures or len(self._marks) < 2:
            raise _not_calibrated()
        before, after = self._marks
        return after.since(before)


def _order(session: Session) -> Answer:
    key = session.draw_key()
    product = session.draw_product()
    return session.operation(
        Call(
            kind=JOURNEY,
            method="POST",
            path="/orders",
            acknowledged={201: "placed"},
            required=("order_id",),
            body=_BODY,
            headers={**_HEADERS, "Idempotency-Key": key},
            key=key,
            user_id=session.user_id,
            sku=product.sku,
            quantity=1,
            amount_cents=product.price_cents,
        )
    )


def _mark(operations: int) -> _Mark:
    return _Mark(time.monotonic_ns(), time.process_time(), operations)


def _not_calibrated() -> StackError:
    return StackError(
        "the generator could not be calibrated: the null server did not answer as it should",
        remedy="repeat the run, or leave calibration out with --set calibrate=0s",
    )


@contextlib.contextmanager
def _files(spec: CrowdSpec) -> Iterator[tuple[Path, Path]]:
    """Where the record goes, gone afterwards."""
    paths = Path(f"{spec.ops_path}.calibration"), Path(f"{spec.live_path}.calibration")
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _null_server() -> Iterator[str]:
    """Its URL; it is over with the block, or with this process."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "flashdrill.load.null_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise StackError("the null server of the calibration did not start")
        yield f"http://{HOST}:{int(line)}"
    finally:
        process.stdin.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
