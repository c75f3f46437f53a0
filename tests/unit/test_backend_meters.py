"""Resource meters: exact integrals at every moment, from another thread, as the metrics say them."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from backend.meters import LoopMeter, Meter, MeterCollector, Reading, serve_metrics


class Hand:
    """A clock in nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def test_a_hold_counts_while_it_lasts() -> None:
    clock = Hand()
    meter = Meter("pool.shard0", 8, clock)
    with meter.holding():
        clock.advance(2)
        assert meter.hold_s() == 2
        assert (meter.uses(), meter.holders) == (0, 1)
        with meter.holding():
            clock.advance(1)
            assert meter.hold_s() == 4
    clock.advance(100)
    assert (meter.hold_s(), meter.uses(), meter.holders) == (4, 2, 0)


def test_waits_and_inner_waits_are_apart() -> None:
    clock = Hand()
    meter = Meter("requests", 1, clock)
    with meter.waiting():
        clock.advance(0.5)
        assert meter.waiters == 1
    with meter.holding():
        clock.advance(1)
        with meter.inner():
            clock.advance(0.25)
            assert meter.inner_wait_s() == 0.25
    assert (meter.wait_s(), meter.hold_s(), meter.inner_wait_s()) == (0.5, 1.25, 0.25)
    assert meter.uses() == 1


def test_a_breakdown_adds_up_its_own_milliseconds() -> None:
    clock = Hand()
    meter = Meter("pool.shard0", 8, clock)
    breakdown: dict[str, float] = {}
    for _ in range(2):
        with meter.waiting(breakdown):
            clock.advance(0.002)
        with meter.holding(breakdown), meter.holding():
            clock.advance(0.003)
    assert breakdown == {"q.pool.shard0": 4.0, "h.pool.shard0": 6.0}
    assert meter.hold_s() == pytest.approx(0.012)


async def test_a_cancelled_hold_ends() -> None:
    meter = Meter("pool.shard0", 8)

    async def hold() -> None:
        with meter.holding():
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await asyncio.sleep(0)
    assert meter.holders == 1
    task.cancel()
    await asyncio.wait([task])
    assert meter.holders == 0
    assert meter.hold_s() == meter.hold_s()


def test_reading_from_another_thread_never_goes_back() -> None:
    meter = Meter("pool.shard0", 8)
    stop = threading.Event()
    falls: list[tuple[float, float]] = []

    def read() -> None:
        last = 0.0
        while not stop.is_set():
            value = meter.hold_s()
            if value < last:
                falls.append((last, value))
            last = value

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50_000):
        with meter.holding():
            pass
    stop.set()
    reader.join()
    assert falls == []
    assert meter.uses() == 50_000


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    yield CollectorRegistry()


def test_the_collector_says_the_agreed_names(registry: CollectorRegistry) -> None:
    clock = Hand()
    meters = [Meter("pool.shard0", 8, clock), Meter("redis", 1, clock)]
    inflight = 3
    registry.register(
        MeterCollector(
            meters,
            [
                Reading("flashdrill_inflight", "Requests.", lambda: inflight),
                Reading("flashdrill_level", "Level.", lambda: {"shard0": 1}, "shard"),
                Reading("flashdrill_loop_lag_seconds_total", "Lag.", lambda: 0.5),
            ],
        )
    )
    Counter("flashdrill_orders", "Orders.", ["result"], registry=registry).labels("placed").inc()
    meters[0].set_capacity(4)
    with meters[0].waiting():
        clock.advance(1)
    with meters[0].holding():
        clock.advance(2)
        text = generate_latest(registry).decode()
    for line in (
        'flashdrill_resource_hold_seconds_total{resource="pool.shard0"} 2.0',
        'flashdrill_resource_wait_seconds_total{resource="pool.shard0"} 1.0',
        'flashdrill_resource_inner_wait_seconds_total{resource="pool.shard0"} 0.0',
        'flashdrill_resource_uses_total{resource="pool.shard0"} 0.0',
        'flashdrill_resource_capacity{resource="pool.shard0"} 4.0',
        'flashdrill_resource_hold_seconds_total{resource="redis"} 0.0',
        "flashdrill_inflight 3.0",
        'flashdrill_level{shard="shard0"} 1.0',
        "flashdrill_loop_lag_seconds_total 0.5",
        'flashdrill_orders_total{result="placed"} 1.0',
    ):
        assert line in text.splitlines()


def test_metrics_are_served_while_the_callers_thread_is_busy(registry: CollectorRegistry) -> None:
    meter = Meter("loop", 1)
    registry.register(MeterCollector([meter]))
    server, port = serve_metrics(registry, "127.0.0.1", 0)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert b'flashdrill_resource_capacity{resource="loop"} 1.0' in answer.read()
    finally:
        server.shutdown()
    with pytest.raises(OSError, match="refused"):
        opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5)


async def test_the_loop_meter_sees_cpu_and_lag() -> None:
    meter = LoopMeter(interval_s=0.001)
    async with asyncio.timeout(10):
        sampler = asyncio.create_task(meter.run())
        while meter.samples < 3:
            await asyncio.sleep(0)
        lag, cpu = meter.wait_s(), meter.hold_s()
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        samples = meter.samples
        while meter.samples == samples:
            await asyncio.sleep(0)
        sampler.cancel()
        await asyncio.wait([sampler])
    assert meter.hold_s() - cpu >= 0.05
    assert meter.wait_s() - lag >= 0.04
    assert meter.uses() == meter.samples
    assert (meter.resource, meter.capacity, meter.inner_wait_s()) == ("loop", 1.0, 0.0)


def test_the_loop_meter_is_read_from_another_thread() -> None:
    """The CPU of the loop's thread, not of the reader's; the last figure once it has ended."""
    made: list[LoopMeter] = []
    ready, done = threading.Event(), threading.Event()

    def loop_thread() -> None:
        meter = LoopMeter(uses=lambda: 7)
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        made.append(meter)
        ready.set()
        assert done.wait(10)

    thread = threading.Thread(target=loop_thread)
    thread.start()
    assert ready.wait(10)
    seen = made[0].hold_s()
    done.set()
    thread.join()
    assert seen >= 0.05
    assert made[0].hold_s() >= seen
    assert made[0].uses() == 7
