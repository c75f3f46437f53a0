"""A small client of the reference backend, and what its databases hold."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg

from tests.services.servers import SECRET, Backend


@dataclass(frozen=True)
class Answer:
    """A response; `slug` is the end of a problem's type."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def slug(self) -> str:
        """The problem, or empty."""
        return str(self.body.get("type", "")).rpartition("/")[2]


class Shop:
    """Customers and the payment provider."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def order(
        self, user: str, key: str, lines: dict[str, int], prices: dict[str, int] | None = None
    ) -> Answer:
        """POST /orders; every product costs 100 unless `prices` says otherwise."""
        known = prices or {}
        body = {
            "channel": "DY",
            "user_id": user,
            "lines": [{"sku": sku, "quantity": n} for sku, n in lines.items()],
            "amount_cents": sum(known.get(sku, 100) * n for sku, n in lines.items()),
        }
        return await self.post("/orders", json.dumps(body).encode(), {"Idempotency-Key": key})

    async def pay(
        self,
        order_id: str,
        transaction: str,
        amount_cents: int = 100,
        *,
        secret: str = SECRET,
        at: int | None = None,
    ) -> Answer:
        """POST /payments/callback."""
        body = {
            "out_trade_no": order_id,
            "transaction_id": transaction,
            "amount_cents": amount_cents,
            "paid_at": datetime.now(UTC).isoformat(),
        }
        raw = json.dumps(body).encode()
        stamp = str(int(time.time()) if at is None else at)
        signed = hmac.new(secret.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": signed}
        return await self.post("/payments/callback", raw, headers)

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """POST anything as JSON, unless the headers say otherwise."""
        headers = {"Content-Type": "application/json", **headers}
        async with self._session.post(self.url + path, data=body, headers=headers) as response:
            return await _answer(response)

    async def get(self, path: str) -> Answer:
        """GET anything."""
        async with self._session.get(self.url + path) as response:
            return await _answer(response)

    async def available(self, sku: str) -> int:
        """What the product's page says."""
        return int((await self.get(f"/products/{sku}")).body["available"])


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    text = await response.text()
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        body = {"text": text}
    return Answer(response.status, body, dict(response.headers))


@asynccontextmanager
async def visiting(backend: Backend) -> AsyncIterator[Shop]:
    """A client without a limit on its connections."""
    connector = aiohttp.TCPConnector(limit=0, force_close=False)
    limit = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
        yield Shop(backend.url, session)


async def query(dsns: tuple[str, ...], sql: str) -> list[dict[str, Any]]:
    """The rows of all shards, each with its number as `shard`."""

    async def one(shard: int, dsn: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn, ssl=False)
        try:
            return [{"shard": shard, **dict(row)} for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    found = await asyncio.gather(*(one(shard, dsn) for shard, dsn in enumerate(dsns)))
    return [row for rows in found for row in rows]


async def order_rows(dsns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every order, with its public id."""
    return await query(
        dsns,
        "SELECT encode(order_uid, 'hex') || lpad(to_hex(bucket::int), 2, '0') AS order_id, * FROM orders"
        " ORDER BY placed_seq",
    )


async def sold(dsns: tuple[str, ...], sku: str) -> int:
    """Units of the product in placed orders."""
    rows = await query(
        dsns,
        "SELECT coalesce(sum(quantity), 0)::int AS units FROM order_lines JOIN orders USING (order_uid)"
        f" WHERE state = 'placed' AND sku = '{sku}'",
    )
    return sum(row["units"] for row in rows)


async def books_balance(dsns: tuple[str, ...]) -> None:
    """Stock, its ledger, and money agree on every shard."""
    off = await query(
        dsns,
        "SELECT s.sku FROM stock AS s LEFT JOIN stock_ledger AS l USING (sku)"
        " GROUP BY s.sku, s.initial, s.available HAVING s.initial + coalesce(sum(l.delta), 0) <> s.available",
    )
    assert off == []
    unbooked = await query(
        dsns,
        "SELECT o.order_no FROM orders AS o"
        " LEFT JOIN money_ledger AS m ON m.order_uid = o.order_uid AND m.kind = 'order'"
        " GROUP BY o.order_uid HAVING o.state = 'placed' AND coalesce(sum(m.amount_cents), -1) <> o.amount_cents",
    )
    assert unbooked == []
