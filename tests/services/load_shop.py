"""A tiny order service that speaks the contract, with switches for everything that can go wrong."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

SECRET = "made-for-the-test"

Hook = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def problem(
    slug: str, status: int, *, definite: bool, refusal: bool = False, retry_after: str = ""
) -> web.Response:
    body = {
        "type": f"https://flashdrill.invalid/problems/{slug}",
        "title": slug,
        "status": status,
        "detail": "",
        "definite": definite,
        "refusal": refusal,
    }
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response(
        body, status=status, headers=headers, content_type="application/problem+json"
    )


def reset(request: web.Request) -> web.Response:
    """Break the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Shop:
    """Counts what reached it. `hook` may answer, or delay, any request; `open_gate` cleared: all stand still."""

    def __init__(self) -> None:
        self.hook: Hook | None = None
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.orders: dict[str, str] = {}  # idempotency key -> order id
        self.requests: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.payments: Counter[str] = Counter()
        self.unsigned = 0
        self.url = ""

    @asynccontextmanager
    async def serving(self, address: str = "127.0.0.1") -> AsyncIterator[Shop]:
        app = web.Application(middlewares=[self._middleware])
        app.router.add_post("/orders", self._place)
        app.router.add_get("/orders/{id}", self._get_order)
        app.router.add_get("/products/{sku}", self._get_product)
        app.router.add_post("/payments/callback", self._pay)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, address, 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.open_gate.set()
            await runner.cleanup()

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests[f"{request.method} /{request.path.split('/')[1]}"] += 1
        await self.open_gate.wait()
        if self.hook is not None:
            answer = await self.hook(request)
            if answer is not None:
                return answer
        return await handler(request)

    async def _place(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.keys[key] += 1
        order_id = self.orders.setdefault(key, hashlib.sha256(key.encode()).hexdigest()[:32] + "07")
        body = {"order_id": order_id, "order_no": "DY1", "status": "placed"}
        return web.json_response(
            body, status=201, headers={"Server-Timing": "q.pool.shard0;dur=0.1"}
        )

    async def _get_order(self, request: web.Request) -> web.Response:
        order_id = request.match_info["id"]
        if order_id not in self.orders.values():
            return problem("not-found", 404, definite=True, refusal=True)
        return web.json_response({"order_id": order_id, "status": "paid"})

    async def _get_product(self, request: web.Request) -> web.Response:
        return web.json_response({"sku": request.match_info["sku"], "available": 1})

    async def _pay(self, request: web.Request) -> web.Response:
        raw = await request.read()
        message = request.headers["X-Timestamp"].encode() + b"." + raw
        expected = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers["X-Signature"]):
            self.unsigned += 1
            return problem("unauthorized", 401, definite=True)
        transaction = json.loads(raw)["transaction_id"]
        self.payments[transaction] += 1
        return web.json_response(
            {"result": "paid" if self.payments[transaction] == 1 else "repeat"}
        )
