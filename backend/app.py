"""The one place where the service is put together, and where its lifetime is.

    serve ─┬─ event loop: HTTP edge ── use cases ── gate, shards, lanes
           ├─ tasks of one group: a drain and a rebuild for each shard, the sweep, the loop meter, errands
           └─ thread: metrics

On SIGTERM: nothing new is admitted, what is in flight is finished, the queues are drained as far as they can be
within `shutdown_drain_s`, then everything is closed. What stays queued is on disk.
On SIGHUP: the settings file is read again, for `in_flight_max` only.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from backend.breakers import STATES, Breaker
from backend.clock import Clock
from backend.deadline import Deadline
from backend.defects import (
    SILENT_DROP_RECORDS,
    DroppingQueue,
    ForgetfulQueue,
    OversellingShards,
    announce,
)
from backend.drain import Drain
from backend.errands import Errands
from backend.errors import GateUnavailableError
from backend.events import EventLog
from backend.gate import Gate
from backend.lanes import Lane, Queue, open_queue
from backend.levels import DegradationController, LevelRule
from backend.meters import LoopMeter, Meter, MeterCollector, Metered, Reading, serve_metrics
from backend.pay import PayOrder
from backend.place import PlaceOrder
from backend.read import Reads
from backend.readiness import Readiness
from backend.rebuild import Rebuild
from backend.redis_store import RedisStore
from backend.routes import Edge
from backend.settings import Settings, SettingsError
from backend.shard import Shard, speaks_against_a_shard
from backend.shards import Shards
from backend.sweep import Sweep

LOG = logging.getLogger("backend.app")
STARTED_WITHIN_S = 0.5  # for the look at the gate before serving
LINGER_S = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    clock: Clock
    events: EventLog
    shards: Shards
    store: RedisStore
    gate: Gate
    lanes: list[Lane]
    levels: DegradationController
    levels_now: dict[str, int]  # as last told: read by the metrics thread
    requests: Meter
    loop_meter: LoopMeter

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """The tasks that run as long as the service."""
        common: dict[str, Any] = {
            "settings": self.settings,
            "clock": self.clock,
            "events": self.events,
            "shards": self.shards,
            "gate": self.gate,
        }
        tasks = [Drain(lane, levels=self.levels, **common).run() for lane in self.lanes]
        tasks += [Rebuild(lane.number, lane=lane, **common).run() for lane in self.lanes]
        forgetful = [lane.queue for lane in self.lanes if isinstance(lane.queue, ForgetfulQueue)]
        tasks += [queue.run() for queue in forgetful]
        tasks += [shard.warm_up() for shard in self.shards]
        return [*tasks, Sweep(lanes=self.lanes, **common).run(), self.loop_meter.run()]

    def edge(self, errands: Errands, registry: CollectorRegistry) -> Edge:
        """The HTTP edge with its use cases."""
        reads: dict[str, Any] = {
            "settings": self.settings,
            "shards": self.shards,
            "lanes": self.lanes,
            "requests": self.requests,
        }
        writes = {**reads, "errands": errands}
        return Edge(
            settings=self.settings,
            clock=self.clock,
            requests=self.requests,
            place=PlaceOrder(gate=self.gate, levels=self.levels, **writes),
            pay=PayOrder(store=self.store, clock=self.clock, **writes),
            reads=Reads(gate=self.gate, **reads),
            readiness=Readiness(
                shards=self.shards, gate=self.gate, lanes=self.lanes, levels=self.levels
            ),
            registry=registry,
            dice=random.Random(),
        )

    def register(self, registry: CollectorRegistry, edge: Edge) -> None:
        """Everything that is measured."""
        meters: list[Metered] = [self.loop_meter, self.requests, self.store.meter]
        meters += [shard.pool_meter for shard in self.shards]
        meters += [shard.statement_meter for shard in self.shards]
        meters += [lane.meter for lane in self.lanes]
        breakers = [self.store.breaker, *(shard.breaker for shard in self.shards)]
        registry.register(
            MeterCollector(
                meters,
                [
                    Reading(
                        "flashdrill_breaker_state",
                        "0 closed, 1 half-open, 2 open.",
                        lambda: {b.name: STATES.index(b.state) for b in breakers},
                        "target",
                    ),
                    Reading(
                        "flashdrill_level",
                        "0 direct writes, from 1 on the file queue.",
                        lambda: dict(self.levels_now),
                        "shard",
                    ),
                    Reading(
                        "flashdrill_queue_depth",
                        "Records in the file queue.",
                        lambda: {lane.name: lane.depth for lane in self.lanes},
                        "shard",
                    ),
                    Reading(
                        "flashdrill_orders_total",
                        "Answers to POST /orders.",
                        lambda: dict(edge.results),
                        "result",
                    ),
                    Reading(
                        "flashdrill_loop_lag_seconds_total",
                        "By how much the loop's timers woke too late.",
                        self.loop_meter.wait_s,
                    ),
                    Reading(
                        "flashdrill_inflight",
                        "Requests being handled.",
                        lambda: self.requests.holders,
                    ),
                ],
            )
        )


async def open_service(settings: Settings, stack: AsyncExitStack) -> Service:
    """Build every part; what has to be closed is on the stack. No dependency needs to be there yet."""
    clock, events = Clock(settings.time_scale), EventLog(settings.events_path or None)
    stack.callback(events.close)

    def breaker_changed(name: str, state: str) -> None:
        LOG.warning("the breaker of %s is %s", name, state)
        events.emit("breaker", name, state=state)

    def level_changed(name: str, level: int) -> None:
        LOG.warning("%s is at level %d", name, level)
        levels_now[name] = level
        events.emit("level", name, state=level)

    def breaker(name: str, **options: Any) -> Breaker:
        return Breaker(
            name,
            clock,
            on_change=breaker_changed,
            window_s=settings.breaker_window_s,
            min_calls=settings.breaker_min_calls,
            reset_s=settings.breaker_reset_s,
            **options,
        )

    store = RedisStore(settings, breaker("redis"))
    stack.push_async_callback(store.aclose)
    lanes = []
    for number in range(len(settings.shards)):
        lane = _open_lane(settings, number)
        stack.push_async_callback(lane.queue.close)
        lanes.append(lane)
    kind = OversellingShards if settings.defect == "oversell" else Shards
    shards = await stack.enter_async_context(
        kind(
            [
                Shard(n, dsn, settings, breaker(f"shard{n}", is_failure=speaks_against_a_shard))
                for n, dsn in enumerate(settings.shards)
            ]
        )
    )
    levels_now = {lane.name: 0 for lane in lanes}
    levels = DegradationController(
        levels_now,
        clock,
        on_change=level_changed,
        rule=lambda: LevelRule(
            level1_rate=settings.level1_failure_rate,
            level2_rate=settings.level2_failure_rate,
            window_s=settings.level_window_s,
            min_calls=settings.level_min_calls,
        ),
    )
    requests = Meter("requests", settings.in_flight_max)
    loop_meter = LoopMeter(uses=requests.uses)
    gate = Gate(store, clock, settings)
    return Service(
        settings,
        clock,
        events,
        shards,
        store,
        gate,
        lanes,
        levels,
        levels_now,
        requests,
        loop_meter,
    )


def _open_lane(settings: Settings, number: int) -> Lane:
    is_dropping = settings.defect == "silent-drop"
    most = SILENT_DROP_RECORDS if is_dropping else settings.queue_max_records
    meter = Meter(f"filequeue.shard{number}", 1)
    queue: Queue = open_queue(settings.queue_dir, number, max_records=most, meter=meter)
    if is_dropping:
        queue = DroppingQueue(queue)
    elif settings.defect == "lose-queued":
        queue = ForgetfulQueue(queue)
    return Lane(number, queue, meter)


async def serve(settings: Settings, path: Path) -> None:
    """Serve until SIGTERM or SIGINT; `path` is where the settings are. Raises OSError when a port is taken."""
    announce(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        service = await open_service(settings, stack)
        loop.add_signal_handler(signal.SIGHUP, _resize, service, path)
        await _look_at_gate(service)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in service.background()]
            errands = Errands(group)
            try:
                await _serve_http(service, errands, stop)
            finally:
                for task in tasks:
                    task.cancel()
        service.events.emit("stop", "backend")


def _resize(service: Service, path: Path) -> None:
    """Take `in_flight_max` as it is in the file now; with a file that is wrong everything stays as it was."""
    try:
        slots = Settings.from_file(path).in_flight_max
    except SettingsError as error:
        LOG.warning("the settings stay as they were: %s", error)
        return
    service.requests.set_capacity(slots)
    service.events.emit("in_flight_max", "backend", state=slots)
    LOG.info("%d requests may be in flight from now on", slots)


async def _serve_http(service: Service, errands: Errands, stop: asyncio.Event) -> None:
    settings = service.settings
    registry = CollectorRegistry()
    edge = service.edge(errands, registry)
    service.register(registry, edge)
    runner = web.AppRunner(
        edge.application(),
        access_log=None,
        lingering_time=LINGER_S,
        auto_decompress=False,
        shutdown_timeout=settings.request_deadline_s + 1,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        await site.start()
        server, metrics_port = serve_metrics(registry, settings.host, settings.metrics_port)
        try:
            _announce_ready(service, runner.addresses[0][1], metrics_port)
            await stop.wait()
            await _wind_down(service, edge, errands)
        finally:
            await asyncio.to_thread(server.shutdown)
    finally:
        await runner.cleanup()


def _announce_ready(service: Service, port: int, metrics_port: int) -> None:
    ready = {"event": "ready", "port": port, "metrics_port": metrics_port, "pid": os.getpid()}
    print(json.dumps(ready), flush=True)
    service.events.emit("start", "backend", port=port, pid=os.getpid())
    LOG.info("serving on port %d with %r", port, service.settings)


async def _wind_down(service: Service, edge: Edge, errands: Errands) -> None:
    """Admit nothing, finish what is in flight, drain what can be drained."""
    LOG.info("stopping: nothing new is admitted")
    edge.is_draining = True
    in_flight = Deadline.after(service.settings.request_deadline_s + 1)
    await in_flight.wait_until(lambda: not service.requests.holders)
    await errands.idle(in_flight.left_s())
    draining = Deadline.after(service.settings.shutdown_drain_s)
    await draining.wait_until(lambda: not any(lane.depth for lane in service.lanes))
    left = sum(lane.depth for lane in service.lanes)
    LOG.info("stopped with %d records in the queues", left)


async def _look_at_gate(service: Service) -> None:
    """Counters that are missing are rebuilt as soon as their shard answers."""

    async def look(shard: int) -> None:
        try:
            if not await service.gate.has_counters(shard, Deadline.after(STARTED_WITHIN_S)):
                service.gate.slices[shard].doubted.set()
        except GateUnavailableError as error:
            LOG.warning("serving without the gate: %s", error)

    async with asyncio.TaskGroup() as group:
        for lane in service.lanes:
            group.create_task(look(lane.number))
