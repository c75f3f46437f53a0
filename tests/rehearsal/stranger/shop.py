"""A small shop as somebody else would write it: aiohttp, asyncpg, one file, and nothing in it that knows of flashdrill.

    SHOP_DATABASE=postgresql://... python shop.py --port 8000 --pid-file shop.pid [--careless]

`--careless` plants the oldest mistake of shops: look whether there is enough, and take it afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
from aiohttp import web

TABLES = """
CREATE TABLE IF NOT EXISTS shelf (item text PRIMARY KEY, delivered int NOT NULL, gone int NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS purchase (
    number bigserial PRIMARY KEY, receipt text NOT NULL, customer text NOT NULL,
    item text NOT NULL REFERENCES shelf, pieces int NOT NULL, price numeric NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
"""
STOCK = (("lamp", 45), ("mug", 40), ("rug", 100000))
PRICE = 12.50
PATIENCE_S = 3.0

POOL: web.AppKey[asyncpg.Pool] = web.AppKey("pool", asyncpg.Pool)
CARELESS: web.AppKey[bool] = web.AppKey("careless", bool)


async def database(app: web.Application) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["SHOP_DATABASE"], min_size=4, max_size=20, command_timeout=PATIENCE_S
    ) as pool:
        await pool.execute(TABLES)
        await pool.executemany(
            "INSERT INTO shelf (item, delivered) VALUES ($1, $2) ON CONFLICT DO NOTHING", STOCK
        )
        app[POOL] = pool
        yield


async def welcome(_request: web.Request) -> web.Response:
    return web.Response(text="the shop is open\n")


async def look(request: web.Request) -> web.Response:
    row = await request.app[POOL].fetchrow(
        "SELECT item, delivered - gone AS pieces FROM shelf WHERE item = $1",
        request.match_info["item"],
    )
    if row is None:
        return web.json_response({"sorry": "no such item"}, status=404)
    return web.json_response(dict(row))


async def buy(request: web.Request) -> web.Response:
    wish = await request.json()
    take = take_carelessly if request.app[CARELESS] else take_carefully
    try:
        async with request.app[POOL].acquire(timeout=PATIENCE_S) as shop, shop.transaction():
            if not await take(shop, wish["item"], wish["pieces"]):
                return web.json_response({"sorry": "sold out"}, status=409)
            number = await shop.fetchval(
                "INSERT INTO purchase (receipt, customer, item, pieces, price) VALUES ($1, $2, $3, $4, $5) "
                "RETURNING number",
                wish["receipt"],
                wish["customer"],
                wish["item"],
                wish["pieces"],
                PRICE,
            )
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return web.json_response({"sorry": "come back later"}, status=500)
    return web.json_response({"number": number, "thanks": True})


async def take_carefully(shop: asyncpg.Connection, item: str, pieces: int) -> bool:
    taken = await shop.fetchval(
        "UPDATE shelf SET gone = gone + $2 WHERE item = $1 AND gone + $2 <= delivered RETURNING item",
        item,
        pieces,
    )
    return taken is not None


async def take_carelessly(shop: asyncpg.Connection, item: str, pieces: int) -> bool:
    there_are = await shop.fetchval("SELECT delivered - gone FROM shelf WHERE item = $1", item)
    if there_are is None or there_are < pieces:
        return False
    await shop.fetchval("SELECT count(*) FROM purchase WHERE item = $1", item)  # for the statistics
    await shop.execute("UPDATE shelf SET gone = gone + $2 WHERE item = $1", item, pieces)
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid-file", type=Path, required=True)
    parser.add_argument("--careless", action="store_true")
    options = parser.parse_args()
    app = web.Application()
    app[CARELESS] = options.careless
    app.cleanup_ctx.append(database)
    app.router.add_get("/", welcome)
    app.router.add_get("/items/{item}", look)
    app.router.add_post("/buy", buy)
    options.pid_file.write_text(f"{os.getpid()}\n")
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, loop=asyncio.new_event_loop())


if __name__ == "__main__":
    main()
