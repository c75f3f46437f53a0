"""Names that the harness asks by go where they led before the run; everything here is on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from flashdrill.observe.prometheus import scrape
from flashdrill.rehearsal.names import pinned

pytestmark = pytest.mark.services

NAME = "metrics.shop.invalid"  # no resolver has it


@asynccontextmanager
async def metrics(redirect: str = "") -> AsyncIterator[int]:
    async def answer(_: web.Request) -> web.Response:
        if redirect:
            raise web.HTTPFound(redirect)
        return web.Response(text="flashdrill_up 1\n")

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_pinned_name_leads_to_its_address_and_only_meanwhile() -> None:
    async with metrics() as port:
        url = f"http://{NAME}:{port}/metrics"
        with pinned({NAME: ("127.0.0.1",)}):
            assert [sample.value for sample in await scrape(url)] == [1.0]
            assert await scrape(f"http://127.0.0.1:{port}/metrics")
            assert await scrape(f"http://localhost:{port}/metrics")
        with pytest.raises(OSError, match=NAME):
            await scrape(url)


async def test_a_metrics_page_that_leads_elsewhere_is_not_followed() -> None:
    async with metrics() as other, metrics(f"http://127.0.0.1:{other}/metrics") as port:
        with pytest.raises(OSError, match="answered 302"):
            await scrape(f"http://127.0.0.1:{port}/metrics")
