"""What this load process can do at most: it sends to a server of ours that answers at once, before the run.

LANES customers at a time, each an order by POST whose JSON answer is parsed; where one ends the next begins, with a
full record. It is done in the load process itself, before the run and not after it: the capacity is known when the
first arrival is due, the tested service has nothing to do meanwhile, and no fault is in force.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from flashdrill.errors import StackError
from flashdrill.load.driver import Driver
from flashdrill.load.null_server import HOST
from flashdrill.load.operations import Call
from flashdrill.load.session import Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.calibration import Calibration
from flashdrill.model.scenario import Limits, RecordedArrivals, Stage

LANES = 32
WARM_UP_SHARE = 0.25
"""Of the time; it opens the connections, and is not counted."""
END_TIMEOUT_S = 2.0
JOURNEY = "calibrate"
_BODY = b'{"user_id":"u4711","channel":"DY","lines":[{"sku":"hot-1","quantity":1,"price":"19.99"}]}'
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def calibrate(spec: CrowdSpec) -> Calibration:
    """The capacity of this process, in `spec.calibrate_s` seconds. Raises StackError when it cannot be found."""
    with _null_server() as url, _files(spec) as (ops_path, live_path):
        relay = _Relay()
        stage = Stage(
            JOURNEY, 0.0, spec.calibrate_s, recorded=(RecordedArrivals(JOURNEY, (0.0,) * LANES),)
        )
        own = msgspec.structs.replace(
            spec,
            base_url=url,
            payment_url=url,
            stages=(stage,),
            ops_path=str(ops_path),
            live_path=str(live_path),
            limits=Limits(in_flight=2 * LANES),
            orders_path="",
            worker=0,
            workers=1,
        )
        driver = Driver(own, {JOURNEY: relay.run})
        try:
            driver.ready()
            driver.run(relay.begin(spec.calibrate_s))
        finally:
            driver.close()
    return relay.found()


class _Relay:
    """Customers who hand over to the next, and what they have done since the warm-up was over."""

    def __init__(self) -> None:
        self._operations = self._failures = 0
        self._warm_ns = self._end_ns = 0
        self._marks: list[tuple[int, float, int]] = []

    def begin(self, seconds: float) -> int:
        """The start, which is now (CLOCK_MONOTONIC, ns)."""
        now_ns = time.monotonic_ns()
        self._end_ns = now_ns + round(seconds * 1e9)
        self._warm_ns = now_ns + round(seconds * WARM_UP_SHARE * 1e9)
        return now_ns

    def run(self, session: Session) -> None:
        """One order; then the next customer's, until the time is over."""
        key = session.draw_key()
        product = session.draw_product()
        answer = session.operation(
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
        self._operations += 1
        self._failures += not answer.is_ok
        now_ns = answer.op.done_ns
        if not self._marks and now_ns >= self._warm_ns:
            self._mark(now_ns)
        if now_ns < self._end_ns and not self._failures:
            session.beside(self.run)
        elif len(self._marks) == 1:
            self._mark(now_ns)

    def found(self) -> Calibration:
        """What was done between warm-up and end. Raises StackError."""
        if self._failures or len(self._marks) < 2:
            raise StackError(
                "the generator could not be calibrated: the null server did not answer as it should",
                remedy="repeat the run, or leave calibration out with --set calibrate=0s",
            )
        (from_ns, from_cpu_s, before), (to_ns, to_cpu_s, after) = self._marks
        operations, seconds = after - before, (to_ns - from_ns) / 1e9
        cpu_s = to_cpu_s - from_cpu_s
        return Calibration(
            operations_per_s=round(operations / seconds, 1),
            cpu_us_per_operation=round(cpu_s / max(1, operations) * 1e6, 1),
            cpu=round(cpu_s / seconds, 3),
            operations=operations,
            seconds=round(seconds, 3),
        )

    def _mark(self, now_ns: int) -> None:
        self._marks.append((now_ns, time.process_time(), self._operations))


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
