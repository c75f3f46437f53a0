"""One process that plays its share of the schedule under a Locust of its own."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from flashdrill.analysis.validity import cpu_by_stage, validate
from flashdrill.errors import FlashdrillError
from flashdrill.load.driver import Driver, Journey
from flashdrill.load.record import read_stream
from flashdrill.load.schedule import arrivals
from flashdrill.load.shares import Orders, Part, Share
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.history import write_ops
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
        self._orders, self._customers = orders, customers
        self._driver: Driver | None = None

    @property
    def is_playing(self) -> bool:
        """Whether a share is being played."""
        return self._driver is not None

    def play(self, share: Share) -> Part:
        """Send the share at its times, wait for the last answers, and say what became of it."""
        spec = self._orders.spec(share)
        start_ns = share.monotonic_ns(
            epoch_now_ns=time.time_ns(), monotonic_now_ns=time.monotonic_ns()
        )
        self._driver = Driver(
            spec, self._customers.journeys_for(spec), on_ended=self._customers.tell_locust
        )
        try:
            self._driver.ready()
            self._driver.run(start_ns)
        finally:
            self._driver.close()
            self._driver = None
        return _part(spec, self._orders.gates)

    def safely(self, share: Share) -> Part:
        """Like `play`; what goes wrong is a doubt and not an error."""
        try:
            return self.play(share)
        except FlashdrillError as error:
            logger.error("%s", error)  # noqa: TRY400  (a message for people, no traceback)
            return Part(share.worker, {}, (str(error),))
        except Exception as error:
            logger.exception("the crowd cannot go on")
            return Part(share.worker, {}, (f"{type(error).__name__}: {error}",))

    def stop(self) -> None:
        """No more arrivals; what is open is recorded as unknown."""
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
    table = read_stream(stream)
    write_ops(table, stream.with_suffix(".parquet"))
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
    return Part(spec.worker, _numbers(end), (*doubts, *_failures(end)))


def _numbers(end: Mapping[str, Any]) -> dict[str, int]:
    names = ("due", "sent", "ok", "queued", "refused", "fail", "info")
    return {name: int(end.get(name, 0)) for name in names}


def _failures(end: Mapping[str, Any]) -> Iterator[str]:
    if end.get("crowd_errors"):
        yield f"the crowd's own code failed {end['crowd_errors']} times, see its live.jsonl"
