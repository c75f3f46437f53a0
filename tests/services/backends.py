"""Sessions of real servers for the backend's tests, and a fresh world for each test."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from backend.identity import bucket_of
from tests.services import servers
from tests.services.servers import Backend, Line, Stack
from tests.services.shop import Shop, visiting

SHARDS = 2
FAST = {"time_scale": 10, "level_window_s": 10, "breaker_window_s": 5, "breaker_reset_s": 3}
"""Windows of a test: level 1 after one second, a probe every 0.3 s."""


def servers_of_a_session() -> Iterator[Stack]:
    """Two PostgreSQL servers and a Valkey."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flashdrill-tests-")))
        template = folder / "template"
        servers.initdb(template)
        shards = []
        for number in range(SHARDS):
            place = folder / f"shard{number}"
            place.mkdir()
            shards.append(stack.enter_context(servers.postgres(place, template)))
        redis_url = stack.enter_context(servers.valkey(folder))
        for dsn in shards:
            asyncio.run(servers.create_database(dsn))
        yield Stack(tuple(shards), redis_url)


@dataclass
class World:
    """Fresh databases on the session's servers, an empty Redis, and the lines through which a backend reaches them."""

    folder: Path
    direct: Stack
    lines: dict[str, Line]
    settings: Path

    @property
    def dsns(self) -> tuple[str, ...]:
        """The shards, past the lines."""
        return self.direct.shards

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Backend, Shop]]:
        """A serving process and a client; killed at the end."""
        with ExitStack() as stack:
            manager = servers.serving(self.settings)
            backend = await asyncio.to_thread(stack.enter_context, manager)
            async with visiting(backend) as shop:
                yield backend, shop

    async def flush_redis(self) -> None:
        """Lose everything in Redis."""
        redis: Any = Redis.from_url(self.direct.redis_url)
        try:
            await redis.flushall()
        finally:
            await redis.aclose()


@asynccontextmanager
async def world(
    session: Stack, folder: Path, products: dict[str, int], **settings: Any
) -> AsyncIterator[World]:
    """Seeded shards behind lines; each product costs 100, `products` says how many there are."""
    direct = replace(session, shards=tuple([await _database(dsn) for dsn in session.shards]))
    async with AsyncExitStack() as stack:
        lines: dict[str, Line] = {}
        through = []
        for number, dsn in enumerate(direct.shards):
            lines[f"shard{number}"], address = await stack.enter_async_context(servers.line_to(dsn))
            through.append(address)
        lines["redis"], redis_url = await stack.enter_async_context(
            servers.line_to(direct.redis_url)
        )
        path = servers.write_settings(
            folder, Stack(tuple(through), redis_url), **{**FAST, **settings}
        )
        made = World(folder, direct, lines, path)
        await made.flush_redis()
        priced = {sku: (100, stock) for sku, stock in products.items()}
        await asyncio.to_thread(servers.seed, folder, path, priced)
        yield made


async def _database(dsn: str) -> str:
    """A new, empty database on the server."""
    name = f"t{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(dsn, ssl=False)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"{dsn.rpartition('/')[0]}/{name}"


def users_of(shard: int, count: int) -> list[str]:
    """So many users whose orders are on the shard."""
    found = (f"u{n}" for n in range(100 * count) if bucket_of(f"u{n}") % SHARDS == shard)
    return [next(found) for _ in range(count)]


async def reach_level_1(shop: Shop, users: list[str], sku: str) -> list[tuple[str, str, int]]:
    """Send orders until one of them is queued; (user, key, status) of all that were sent."""
    sent: list[tuple[str, str, int]] = []

    async def one(number: int) -> None:
        user = users[number % len(users)]
        answer = await shop.order(user, f"w{number}", {sku: 1})
        if answer.status >= 500:
            assert answer.slug in {
                "unknown-commit",
                "deadline",
                "breaker-open",
                "pool-exhausted",
                "gate-unavailable",  # a stalled machine: Redis did not answer in time
            }, answer
            assert answer.body["definite"] is (answer.slug != "unknown-commit")
        sent.append((user, f"w{number}", answer.status))

    async with asyncio.TaskGroup() as group:
        number, deadline = 0, time.monotonic() + 25
        while not any(status == 202 for _, _, status in sent):
            assert time.monotonic() < deadline, Counter(s for _, _, s in sent)
            group.create_task(one(number))
            number += 1
            await asyncio.sleep(0.03)
    return sent
