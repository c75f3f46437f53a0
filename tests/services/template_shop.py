"""A small shop that signs, counts and remembers: what request templates are tried on."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

SECRET = "of-the-shop"
TOKEN = "open-sesame"


class TemplateShop:
    """`wrong` has a line for each request that is not as it should be; `bought` and `paid` what was asked."""

    def __init__(self, stock: int = 10**9) -> None:
        self.stock = stock
        self.looks: list[str] = []
        self.bought: list[dict[str, Any]] = []
        self.paid: list[dict[str, str]] = []
        self.wrong: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TemplateShop]:
        app = web.Application()
        app.router.add_get("/items/{sku}", self._look)
        app.router.add_post("/buy/{sku}", self._buy)
        app.router.add_post("/pay", self._pay)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _look(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.wrong.append("no token")
        self.looks.append(request.match_info["sku"])
        return web.json_response([{"sku": request.match_info["sku"], "left": self.stock}])

    async def _buy(self, request: web.Request) -> web.Response:
        raw = await request.read()
        stamp = request.headers["X-Timestamp"]
        message = f"{stamp}.{request.path}.".encode() + raw
        expected = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        if request.headers["X-Signature"] != f"sha256={expected}":
            self.wrong.append(f"signature of {raw!r}")
        if request.content_type != "application/json":
            self.wrong.append(request.content_type)
        wish = json.loads(raw)
        wish["sku"], wish["request_id"] = request.match_info["sku"], request.headers["X-Request-Id"]
        if wish["quantity"] > self.stock:
            return web.json_response({"sorry": "sold out"}, status=409)
        await asyncio.sleep(0)
        self.stock -= wish["quantity"]
        self.bought.append(wish)
        return web.json_response({"order": {"id": len(self.bought)}}, status=201)

    async def _pay(self, request: web.Request) -> web.Response:
        self.paid.append({name: str(value) for name, value in (await request.post()).items()})
        return web.Response(status=204)
