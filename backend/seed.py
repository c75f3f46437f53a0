"""Filling the shards and the gate with the world's stock.

May be run again: products that are there stay as they are, and the gate's counters are rebuilt from the shards. While
the service runs (it holds the queue's lock) the counters are its own, and are left alone: new products sell from its
next start on.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import Meta

from backend.breakers import Breaker
from backend.clock import Clock
from backend.events import EventLog
from backend.filequeue import QueueLockedError
from backend.gate import Gate
from backend.lanes import Lane, open_queue
from backend.meters import Meter
from backend.payloads import Cents, Sku
from backend.rebuild import Rebuild
from backend.redis_store import RedisStore
from backend.settings import Settings, SettingsError
from backend.shard import Shard
from backend.shards import Shards

LOG = logging.getLogger("backend.seed")
CONNECT_S = 10.0
STATEMENT_S = 60.0
_STOCK = """
INSERT INTO stock (sku, initial, available, price_cents)
SELECT sku, units, units, price FROM unnest($1::text[], $2::int[], $3::bigint[]) AS p (sku, units, price)
ON CONFLICT (sku) DO NOTHING
"""


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product of the world; `stock` in units over all shards."""

    sku: Sku
    price_cents: Cents
    stock: Annotated[int, Meta(ge=0, le=2_000_000_000)]


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who buys what; `users` is for the crowd."""

    products: tuple[Product, ...]
    users: Annotated[int, Meta(ge=0)] = 0


def schema() -> str:
    """The SQL of one shard; may be run again."""
    return resources.files("backend").joinpath("schema.sql").read_text()


def read_world(path: Path) -> World:
    """Raises SettingsError with what is wrong in the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=World)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path}: {error}") from error


def slice_of(stock: int, shard: int, shards: int) -> int:
    """A shard's share of a product's stock, as even as possible."""
    return stock // shards + (1 if shard < stock % shards else 0)


async def seed(settings: Settings, world: World) -> None:
    """Schema and stock into every shard, then the gate's counters from the shards."""
    async with asyncio.TaskGroup() as group:
        for number, dsn in enumerate(settings.shards):
            group.create_task(_seed_shard(number, dsn, len(settings.shards), world))
    await _seed_gate(settings)


async def _seed_shard(number: int, dsn: str, shards: int, world: World) -> None:
    connection: Any = await asyncpg.connect(
        dsn, timeout=CONNECT_S, command_timeout=STATEMENT_S, ssl=False
    )
    try:
        await connection.execute(schema())
        await connection.execute(
            _STOCK,
            [product.sku for product in world.products],
            [slice_of(product.stock, number, shards) for product in world.products],
            [product.price_cents for product in world.products],
        )
    finally:
        await connection.close(timeout=CONNECT_S)


async def _seed_gate(settings: Settings) -> None:
    clock, events = Clock(settings.time_scale), EventLog(None)
    store = RedisStore(settings, Breaker("redis", clock))
    gate = Gate(store, clock, settings)
    databases = [
        Shard(number, dsn, settings, Breaker(f"shard{number}", clock))
        for number, dsn in enumerate(settings.shards)
    ]
    try:
        async with Shards(databases) as shards:
            for number in range(len(databases)):
                try:
                    lane = await _lane(settings, number)
                except QueueLockedError:
                    LOG.info("the service runs: the counters of shard%d are left to it", number)
                    continue
                try:
                    rebuild = Rebuild(
                        number,
                        settings=settings,
                        clock=clock,
                        shards=shards,
                        gate=gate,
                        lane=lane,
                        events=events,
                    )
                    await rebuild.rebuild()
                finally:
                    await lane.queue.close()
    finally:
        await store.aclose()


async def _lane(settings: Settings, number: int) -> Lane:
    meter = Meter(f"filequeue.shard{number}", 1)
    queue = open_queue(
        settings.queue_dir, number, max_records=settings.queue_max_records, meter=meter
    )
    return Lane(number, queue, meter)
