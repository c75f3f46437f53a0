"""One process that plays its share of the schedule under a Locust of its own."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import gevent
import pyarrow as pa
from gevent.lock import BoundedSemaphore

from flashdrill.analysis.columns import columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.analysis.validity import cpu_by_stage, validate
from flashdrill.errors import FlashdrillError
from flashdrill.load.account import COUNTS, Part
from flashdrill.load.driver import Driver, Journey
from flashdrill.load.over_cap import over_cap_words
from flashdrill.load.record import to_parquet
from flashdrill.load.schedule import arrivals
from flashdrill.load.shares import Orders, Share
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.history import read_ops
from flashdrill.model.op import Op
from flashdrill.model.scenario import Gate

logger = logging.getLogger(__name__)


class Customers(Protocol):
    """What a locustfile says that customers do."""

    def journeys_for(self, spec: CrowdSpec) -> Mapping[str, Journey]:
        """The journeys by name, ready for this run."""

    def tell_locust(self, op: Op) -> None:
        """Let Locust count an operation that has ended."""


class Player:
    """Plays one share at a time; `stop` may be called at any moment, from any greenlet."""

    def __init__(self, orders: Orders, customers: Customers) -> None:
        self.orders = orders
        self._customers = customers
        self._turn = BoundedSemaphore(1)
        self._driver: Driver | None = None
        self._stops = 0

    def ticket(self) -> int:
        """The right to play next: it ends what is still played, and the next stop takes it back."""
        self.stop()
        return self._stops

    def safely(self, share: Share, ticket: int) -> Part:
        """Like `play`, once nothing else is played; what goes wrong is a doubt and not an error."""
        try:
            with self._turn:
                if ticket != self._stops:
                    return Part(doubts=("stopped before it began",))
                return self.play(share)
        except FlashdrillError as error:
            logger.error("%s", error)  # noqa: TRY400  (a message for people, no traceback)
            return Part(doubts=(str(error),))
        except Exception as error:
            logger.exception("the crowd cannot go on")
            return Part(doubts=(f"{type(error).__name__}: {error}",))

    def play(self, share: Share) -> Part:
        """Send the share at its times, wait for the last answers, and say what became of it."""
        spec = self.orders.spec(share)
        start_ns = share.monotonic_ns(
            epoch_now_ns=time.time_ns(), monotonic_now_ns=time.monotonic_ns()
        )
        journeys = self._customers.journeys_for(spec)
        self._driver = Driver(spec, journeys, on_ended=self._customers.tell_locust)
        try:
            self._driver.ready()
            self._driver.run(start_ns)
        finally:
            self._driver.close()
            self._driver = None
        # In a thread: a long record takes seconds, and a worker that is silent for so long counts as gone.
        part: Part = gevent.get_hub().threadpool.apply(_part, (spec, self.orders.gates))
        return part

    def stop(self) -> None:
        """No more arrivals; what is open is recorded as unknown."""
        self._stops += 1
        if self._driver is not None:
            self._driver.stop()

    def leave(self) -> None:
        """The process ends: what is open is recorded as unknown, now."""
        if self._driver is not None:
            self._driver.stop()
            self._driver.close()


def _part(spec: CrowdSpec, gates: tuple[Gate, ...]) -> Part:
    """What the record of a share says; the record becomes a Parquet file."""
    stream = Path(spec.ops_path)
    history = stream.with_suffix(".parquet")
    to_parquet(stream, history)
    table = read_ops(history)
    stream.unlink()
    told = [json.loads(line) for line in Path(spec.live_path).read_text().splitlines()]
    seconds = [line for line in told if line["event"] == "second"]
    due = arrivals(spec.stages, spec.seed, worker=spec.worker, workers=spec.workers)
    scheduled = Counter(arrival.stage for arrival in due)
    validity = validate(table, spec.stages, gates, scheduled, dict(cpu_by_stage(seconds)))
    doubts = [
        f"stage {stage.stage} cannot be trusted: {'; '.join(stage.reasons)}"
        for stage in validity
        if not stage.is_valid
    ]
    end: dict[str, Any] = next((line for line in told if line["event"] == "done"), {})
    counts = {name: int(end.get(name, 0)) for name in COUNTS}
    late_ms = _lateness_p99_ms(table)
    over_cap: dict[str, Any] = next((line for line in told if line["event"] == "over_cap"), {})
    return Part(scheduled.total(), counts, late_ms, (*doubts, *_failures({**end, **over_cap})))


def _lateness_p99_ms(table: pa.Table) -> float | None:
    """Of the arrivals that were sent."""
    history = columns(table)
    late_s = quantile(history.where(history.is_arrival & history.is_sent).lateness_s, 0.99)
    return None if late_s is None else late_s * 1e3


def _failures(end: Mapping[str, Any]) -> Iterator[str]:
    if end.get("crowd_errors"):
        yield f"the crowd's own code failed {end['crowd_errors']} times, see its live.jsonl"
    if end.get("requests_per_s"):
        yield over_cap_words(end["requests_per_s"], end["t_s"])
