"""A service of known capacity, so many orders at once and each so long, and a climb against it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from flashdrill.analysis.knee import find_knee
from flashdrill.analysis.validity import cpu_by_stage, validate
from flashdrill.load import child
from flashdrill.load.null_server import DOCUMENT, HOST
from flashdrill.load.orders import order
from flashdrill.load.record import read_stream
from flashdrill.load.schedule import arrivals
from flashdrill.model.capacity import Knee
from flashdrill.model.climbed import Climbed
from flashdrill.model.scenario import Climb, Gate, Stage
from flashdrill.rehearsal.climber import Climber
from scripts.load.generator import LEAD_S, crowd_process, spec_for

PATIENT = Gate("p99 < 2s", "p99", "", "<", 2.0, "")
"""The generator may be 200 ms late: what is looked at is how much is answered, not how fast."""


@dataclass(slots=True)
class Limited:
    """The service; its capacity is what it really was, since a sleep takes longer than it should."""

    permits: int
    service_s: float
    url: str = ""
    _held_s: list[float] = field(default_factory=list)

    @property
    def capacity_per_s(self) -> float:
        """permits / mean time of holding one."""
        return self.permits * len(self._held_s) / sum(self._held_s)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Limited]:
        """Serve on a free port."""
        gate = asyncio.Semaphore(self.permits)

        async def answer(_request: web.Request) -> web.Response:
            async with gate:
                began = time.monotonic()
                await asyncio.sleep(self.service_s)
                self._held_s.append(time.monotonic() - began)
            return web.Response(body=DOCUMENT, status=201, content_type="application/json")

        app = web.Application()
        app.router.add_post("/orders", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            self.url = f"http://{HOST}:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()


async def climbed(climb: Climb, url: str, folder: Path) -> tuple[Knee, Climbed]:
    """A climb as a run makes it, and the knee by its history."""
    first = climb.stages("1", climb.rates[0], climb.start_s)
    spec = spec_for(
        url,
        folder,
        first,
        orders_path=str(folder / "orders.jsonl"),
        ordered_s=climb.longest_s,
    )

    def take(stages: tuple[Stage, ...]) -> None:
        order(Path(spec.orders_path), stages)

    climber = Climber(climb, take, limit_s=PATIENT.limit)
    seconds = []
    async with crowd_process(spec, folder / "crowd.json"):
        t0_ns = time.monotonic_ns() + round(LEAD_S * 1e9)
        child.start(Path(spec.start_path), t0_ns)
        async for line in child.follow(Path(spec.live_path), lambda: True):
            if line["event"] == "second":
                climber.take(line)
                seconds.append(line)
    table, steps = read_stream(Path(spec.ops_path)), climber.climbed
    stages = tuple(stage for step in steps.steps for stage in step.stages)
    scheduled = Counter(arrival.stage for arrival in arrivals(stages, spec.seed))
    validity = validate(table, stages, (PATIENT,), scheduled, dict(cpu_by_stage(seconds)))
    return find_knee(climb, steps, table, validity, t0_ns), steps
