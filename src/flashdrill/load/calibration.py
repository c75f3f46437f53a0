"""What this load process can do at most: it sends to a server of ours that answers at once, before the run.

First LANES customers at a time, each an order by POST whose JSON answer is parsed; where one ends the next begins, with
a full record: that is all it can do, with answers that come in crowds. Then orders on a schedule, as in a run. Each of
them wakes the process by itself, which costs more, and the more the fewer there are. The capacity is the rate on a
schedule at which it uses as much of its core as a valid stage may, so it is looked for: each step is sent at the rate
that the one before makes expect.

It is done in the load process itself, before the run and not after it: the capacity is known when the first arrival is
due, the tested service has nothing to do meanwhile, and no fault is in force.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flashdrill.errors import StackError
from flashdrill.load.driver import Driver
from flashdrill.load.null_server import HOST
from flashdrill.load.operations import Answer, Call
from flashdrill.load.session import Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.calibration import CPU_LIMIT, Calibration
from flashdrill.model.scenario import (
    Arrivals,
    Limits,
    Product,
    Ramp,
    RecordedArrivals,
    Stage,
    World,
)

LANES = 32
CROWDED_SHARE = 0.25
"""Of the time, for customers who follow one another; the rest is for orders on a schedule."""
WARM_UP_SHARE, END_SHARE = 0.25, 0.95
"""Of the time of each part: what is counted is done between them. Before, connections are opened."""
STEPS = 5
FIRST_SHARE, LEAST_SHARE = 0.5, 0.1
"""Of what customers who follow one another get done: the rate of the first step, and the least of any."""
KEPT_UP = 0.95
"""A step that got less of its rate done had less than a core."""
END_TIMEOUT_S = 2.0
JOURNEY = "calibrate"
_WORLD = World(10_000, (Product("calibrate", 1999, 1, 1.0),))
"""Whose customers order here: the scenario may have none, or draw more slowly."""
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
            world=_WORLD,
            worker=0,
            workers=1,
        )
        crowded = _crowded(own, crowded_s)
        steps = _climb(own, crowded, (spec.calibrate_s - crowded_s) / STEPS)
    within = capacity(steps, crowded)
    return Calibration(
        operations_per_s=round(within, 1),
        cpu_us_per_operation=round(CPU_LIMIT / within * 1e6, 1),
        cpu=round(crowded.cpu, 3),
        saturated_per_s=round(crowded.operations_per_s, 1),
        seconds=round(spec.calibrate_s, 3),
    )


def expected(asked_per_s: float, step: Stretch) -> float:
    """The capacity that a step at this rate makes expect: what it did, in proportion to the CPU that it may use.

    Who shares its core never uses all of that: then it is what it did.
    """
    share = CPU_LIMIT / max(step.cpu, 1e-9)
    has_kept_up = step.operations_per_s >= KEPT_UP * asked_per_s
    return step.operations_per_s * (share if has_kept_up else min(share, 1.0))


def capacity(steps: Sequence[tuple[float, Stretch]], crowded: Stretch) -> float:
    """The median of what the steps (the rate that was asked for, and what came of it) make expect.

    The first is left out: its rate was a guess, and far from the limit proportion misleads. It is no more than what
    was done at most.
    """
    found = statistics.median(expected(*step) for step in steps[1:])
    return min(found, crowded.operations_per_s)


def _crowded(spec: CrowdSpec, seconds: float) -> Stretch:
    """Customers who follow one another. Raises StackError."""
    lanes = RecordedArrivals(JOURNEY, (0.0,) * LANES)
    return _done(spec, Stage(JOURNEY, 0.0, seconds, recorded=(lanes,)), _Relay(seconds))


def _climb(spec: CrowdSpec, crowded: Stretch, seconds: float) -> list[tuple[float, Stretch]]:
    """Orders on a schedule, step by step, each so long: the rate asked for and what came of it. Raises StackError."""
    most = crowded.operations_per_s
    rate, steps = FIRST_SHARE * most, []
    for _ in range(STEPS):
        stage = Stage(JOURNEY, 0.0, seconds, (Arrivals(JOURNEY, (Ramp(seconds, rate, rate),)),))
        steps.append((rate, _done(spec, stage, _Orders(seconds))))
        rate = min(max(expected(*steps[-1]), LEAST_SHARE * most), most)
    return steps


def _done(spec: CrowdSpec, stage: Stage, orders: _Orders) -> Stretch:
    """What was done in a stage. Raises StackError."""
    driver = Driver(msgspec.structs.replace(spec, stages=(stage,)), {JOURNEY: orders.run})
    try:
        driver.ready()
        driver.run(orders.begin())
    finally:
        driver.close()
    return orders.found()


class _Orders:
    """An order for each customer, and how much was done between the warm-up and the end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._operations = self._failures = 0
        self._ends_ns: list[int] = []  # of the warm-up, and of what is counted
        self._marks: list[_Mark] = []

    def begin(self) -> int:
        """The start, which is now (CLOCK_MONOTONIC, ns)."""
        now_ns = time.monotonic_ns()
        length_ns = self._seconds * 1e9
        self._ends_ns = [now_ns + round(share * length_ns) for share in (WARM_UP_SHARE, END_SHARE)]
        return now_ns

    def run(self, session: Session) -> None:
        """One order."""
        answer = _order(session)
        self._operations += 1
        self._failures += not answer.is_ok
        if not self.is_over and answer.op.done_ns >= self._ends_ns[len(self._marks)]:
            self._mark()

    @property
    def is_over(self) -> bool:
        """Whether all that is counted has been done, or something went wrong."""
        return len(self._marks) == len(self._ends_ns) or bool(self._failures)

    def found(self) -> Stretch:
        """What was done between warm-up and end. Raises StackError."""
        if len(self._marks) == 1:
            self._mark()  # the last order was done before the end
        if self._failures or not self._marks:
            raise StackError(
                "the generator could not be calibrated: the null server did not answer as it should",
                remedy="repeat the run, or leave calibration out with --set calibrate=0s",
            )
        before, after = self._marks
        return after.since(before)

    def _mark(self) -> None:
        self._marks.append(_Mark(time.monotonic_ns(), time.process_time(), self._operations))


class _Relay(_Orders):
    """Customers of whom each hands over to the next, until the end."""

    def run(self, session: Session) -> None:
        """One order; then the next customer's."""
        super().run(session)
        if not self.is_over:
            session.beside(self.run)


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
