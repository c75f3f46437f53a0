"""What the sources make of what they read."""

from __future__ import annotations

import os

import pytest
from aiohttp import web

from flashdrill.observe.processes import ProcessSource
from flashdrill.observe.prometheus import PrometheusSource, parse, scrape
from flashdrill.observe.redis import parse_info

TEXT = """# HELP flashdrill_queue_depth records
# TYPE flashdrill_queue_depth gauge
flashdrill_queue_depth{shard="shard0"} 3.0
# TYPE flashdrill_orders_total counter
flashdrill_orders_total{result="placed"} 41.0
flashdrill_orders_created{result="placed"} 1.7e9
# TYPE python_info gauge
python_info 1.0
"""


def test_metrics_of_the_prefix_are_kept() -> None:
    found = {(s.metric, tuple(s.labels.items())): s.value for s in parse(TEXT)}
    assert found == {
        ("flashdrill_queue_depth", (("shard", "shard0"),)): 3.0,
        ("flashdrill_orders_total", (("result", "placed"),)): 41.0,
    }


def test_a_gauge_that_is_no_number_is_left_out() -> None:
    text = 'flashdrill_queue_depth{shard="a"} NaN\nflashdrill_queue_depth{shard="b"} +Inf\n'
    assert [s.value for s in parse(text + 'flashdrill_queue_depth{shard="c"} 2\n')] == [2.0]


def test_what_is_no_metric_is_an_error() -> None:
    with pytest.raises(ValueError):
        list(parse("flashdrill_x{ 1 2 3\n"))


async def served(status: int = 200, text: str = TEXT) -> tuple[web.AppRunner, str]:
    app = web.Application()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}/metrics"


async def test_a_scrape() -> None:
    runner, url = await served()
    source = PrometheusSource(url)
    try:
        assert {s.metric for s in await scrape(url)} == {
            "flashdrill_queue_depth",
            "flashdrill_orders_total",
        }
        assert len(await source.read()) == len(await source.read()) == 2
    finally:
        await source.close()
        await runner.cleanup()


async def test_a_scrape_that_fails_raises_what_it_says_it_raises() -> None:
    runner, url = await served(status=503)
    try:
        with pytest.raises(OSError, match="503"):
            await scrape(url)
    finally:
        await runner.cleanup()
    with pytest.raises(OSError, match="metrics"):
        await scrape(url)


def test_info() -> None:
    text = (
        "# CPU\r\nused_cpu_sys:0.5\r\nused_cpu_user:1.25\r\nconnected_clients:7\r\nrole:master\r\n"
    )
    found = {s.metric: s.value for s in parse_info(text)}
    assert found == {"redis_cpu_seconds_total": 1.75, "redis_connected_clients": 7.0}


async def test_processes_and_host() -> None:
    source = ProcessSource(lambda: {"me": os.getpid(), "nobody": 2**22 - 1})
    found = {(s.metric, *s.labels.values()): s.value for s in await source.read()}
    assert found["process_cpu_seconds_total", "me"] > 0
    assert found["process_main_thread_cpu_seconds_total", "me"] > 0
    assert found["process_rss_bytes", "me"] > 1e6
    assert found["process_count", "me"] >= 1
    assert found["host_cpu_seconds_total", "busy"] > 0
    assert found["host_cpu_count",] >= 1
    assert ("process_count", "nobody") not in found
