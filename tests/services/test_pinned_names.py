"""Names that the harness asks by go where they led before the run; everything here is on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
@pytest.mark.parametrize("family", [socket.AF_UNSPEC, socket.AF_INET], ids=["any", "v4"])
async def test_localhost_is_loopback_whatever_a_resolver_says(
    monkeypatch: pytest.MonkeyPatch, name: str, family: int
) -> None:
    loop = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def misled(host: str, port: object, **options: Any) -> list[Any]:
        return list(
            await look_up("192.0.2.7" if "local" in host.lower() else host, port, **options)
        )

    monkeypatch.setattr(loop, "getaddrinfo", misled)
    with pinned({}):
        found = await loop.getaddrinfo(name, 80, family=family, type=socket.SOCK_STREAM)
    assert "127.0.0.1" in {address[0] for *_, address in found}
    assert {address[0] for *_, address in found} <= {"127.0.0.1", "::1"}


async def test_a_metrics_page_that_leads_elsewhere_is_not_followed() -> None:
    async with metrics() as other, metrics(f"http://127.0.0.1:{other}/metrics") as port:
        with pytest.raises(OSError, match="answered 302"):
            await scrape(f"http://127.0.0.1:{port}/metrics")
