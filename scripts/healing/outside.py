"""Whether nothing of any fault is left in a stack, asked of the servers themselves. Nothing of flashdrill's code.

What is there before the first fault is the measure: `measured`; `left` compares with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import asyncpg
import psutil
from redis.asyncio import Redis

from scripts.healing.shop import Shop, family, servers

ASK_TIMEOUT_S = 0.75
"""Short: whoever does not answer is asked again, and how long it took is measured to that."""
LOOKER = "soak-looker"
OWNERS = ("flashdrill-backend", LOOKER)
"""Whose sessions a database may have."""
CLOCK_TOLERANCE_S = 2.0
VOLUME_TOLERANCE_BYTES = 4 * 2**20
REDIS_SETTINGS = (
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
    "replica-serve-stale-data",
)

_STRANGERS = """
SELECT a.application_name, count(DISTINCT a.pid) AS sessions, count(l.locktype) AS locks
FROM pg_stat_activity AS a LEFT JOIN pg_locks AS l ON l.pid = a.pid AND l.granted
WHERE a.backend_type = 'client backend' AND a.application_name <> ALL ($1) GROUP BY 1
"""
_INDEXES = """
SELECT i.relname::text AS name, pg_get_indexdef(x.indexrelid) AS definition, x.indisvalid AND x.indisready AS is_valid
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE i.relnamespace = 'public'::regnamespace
"""
_ALTERED = (
    "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A whole stack, in numbers and texts that can be compared."""

    processes: Counter[str]
    proxies: Mapping[str, tuple[str, str]]
    ways: Mapping[str, tuple[str, str, str]]
    databases: Mapping[str, Mapping[str, str]]
    redis: Mapping[str, Any]
    slots: tuple[float, int]
    volume_free: int


async def measured(shop: Shop) -> Measured:
    """What a whole stack looks like. Raises whatever its servers make of the questions."""
    return Measured(
        processes=Counter(_command(process) for process in servers(shop)),
        proxies={name: (p["listen"], p["upstream"]) for name, p in (await _proxies(shop)).items()},
        ways=await _ways(shop),
        databases={name: await _database(dsn) for name, dsn in shop.shards.items()},
        redis=await _redis(shop),
        slots=await _slots(shop),
        volume_free=_free(shop),
    )


async def left(shop: Shop, before: Measured, harness: Iterable[psutil.Process]) -> list[str]:
    """What is left of faults, in words; a server that does not answer counts."""
    looks: dict[str, Awaitable[list[str]]] = {
        "processes": _left_processes(shop, before, harness),
        "Toxiproxy": _left_proxies(shop, before),
        "the edge": _left_edge(shop, before),
        **{name: _left_database(shop, before, name) for name in shop.shards},
        "redis": _left_redis(shop, before),
        "the service": _left_service(shop, before),
        "the volume": _left_volume(shop, before),
    }
    return await _all(looks)


async def unrecovered(shop: Shop, before: Measured) -> list[str]:
    """What the service has still to do for itself when every fault is gone: it is ready, and its stock rebuilt.

    That takes as long as its own patience: it tries a breaker again after 5 s, and a rebuild every 5 s.
    """
    return await _all({"redis": _unrebuilt(shop, before), "the service": _unready(shop)})


async def _all(looks: Mapping[str, Awaitable[list[str]]]) -> list[str]:
    found = await asyncio.gather(*(_answered(who, look) for who, look in looks.items()))
    return [word for words in found for word in words]


async def _answered(who: str, look: Awaitable[list[str]]) -> list[str]:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            return await look
    except Exception as error:
        return [f"no answer of {who}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"]


# -- processes -------------------------------------------------------------------------------


async def _left_processes(
    shop: Shop, before: Measured, harness: Iterable[psutil.Process]
) -> list[str]:
    words = [f"helper {process.pid} still runs" for process in harness if _lives(process)]
    now = Counter(_command(process) for process in servers(shop))
    words += [f"does not run: {command[:80]}" for command in before.processes - now]
    words += [f"runs besides: {command[:80]}" for command in now - before.processes]
    for server in servers(shop):
        if stopped := sum(map(_is_stopped, family(server.pid))):
            words.append(f"stopped: {stopped} processes of {_command(server)[:80]}")
    return words


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


# -- Toxiproxy and the edge ------------------------------------------------------------------


async def _left_proxies(shop: Shop, before: Measured) -> list[str]:
    words, found = [], await _proxies(shop)
    for name, addresses in before.proxies.items():
        proxy = found.get(name)
        if proxy is None:
            words.append(f"proxy {name} is gone")
            continue
        words += [f"toxic {toxic['name']} on {name}" for toxic in proxy["toxics"]]
        if not proxy["enabled"]:
            words.append(f"proxy {name} is off")
        if (proxy["listen"], proxy["upstream"]) != addresses:
            words.append(f"proxy {name} goes elsewhere")
    return words


async def _left_edge(shop: Shop, before: Measured) -> list[str]:
    if not shop.edge:
        return []
    words = [f"rule {rule} at the edge" for rule in await _json(f"{shop.edge}/rules")]
    for name, way in (await _json(f"{shop.edge}/ways")).items():
        if not way["is_listening"]:
            words.append(f"the edge does not listen for {name}")
    return words if await _ways(shop) == before.ways else [*words, "the edge's ways differ"]


async def _proxies(shop: Shop) -> dict[str, Any]:
    return await _json(f"{shop.toxiproxy}/proxies")


async def _ways(shop: Shop) -> dict[str, tuple[str, str, str]]:
    ways = await _json(f"{shop.edge}/ways") if shop.edge else {}
    return {
        name: (str(w["mode"]), str(w["listen"]), str(w["upstream"])) for name, w in ways.items()
    }


# -- databases and Redis ---------------------------------------------------------------------


async def _left_database(shop: Shop, before: Measured, name: str) -> list[str]:
    connection = await asyncpg.connect(
        shop.shards[name], timeout=ASK_TIMEOUT_S, server_settings={"application_name": LOOKER}
    )
    try:
        strangers = await connection.fetch(_STRANGERS, list(OWNERS))
        now = await _settings(connection)
    finally:
        connection.terminate()
    words = [
        f"{name}: {row['sessions']} sessions of {row['application_name']!r}, {row['locks']} locks"
        for row in strangers
    ]
    usual = before.databases[name]
    words += [
        f"{name}: {key} is {now.get(key, 'gone')}, not {usual.get(key, 'there')}"
        for key in sorted({*usual, *now})
        if usual.get(key) != now.get(key)
    ]
    return words


async def _database(dsn: str) -> dict[str, str]:
    connection = await asyncpg.connect(
        dsn, timeout=ASK_TIMEOUT_S, server_settings={"application_name": LOOKER}
    )
    try:
        return await _settings(connection)
    finally:
        connection.terminate()


async def _settings(connection: asyncpg.Connection[Any]) -> dict[str, str]:
    """What a session finds: indexes, ALTER SYSTEM's left-overs, and whether it may write."""
    indexes = {
        f"index {row['name']}": f"{row['definition']} ({'valid' if row['is_valid'] else 'INVALID'})"
        for row in await connection.fetch(_INDEXES)
    }
    altered = {
        f"ALTER SYSTEM {row['name']}": str(row["setting"])
        for row in await connection.fetch(_ALTERED)
    }
    read_only = await connection.fetchval("SHOW default_transaction_read_only")
    return {**indexes, **altered, "default_transaction_read_only": str(read_only)}


async def _left_redis(shop: Shop, before: Measured) -> list[str]:
    now = await _redis(shop)
    words = [
        f"redis: {key} is {now[key]}, not {before.redis[key]}"
        for key in before.redis
        if key != "keys" and now[key] != before.redis[key]
    ]
    words += [f"redis: key {key}" for key in now["keys"] if key.startswith("flashdrill:")]
    return words


async def _unrebuilt(shop: Shop, before: Measured) -> list[str]:
    missing = before.redis["keys"] - (await _redis(shop))["keys"]
    return [f"redis: {len(missing)} keys are missing, such as {min(missing)}"] if missing else []


async def _redis(shop: Shop) -> dict[str, Any]:
    """Its settings, its role, and the names of its keys. A script that runs lets it answer nothing but BUSY."""
    host, port = shop.redis
    client = Redis(
        host=host, port=port, decode_responses=True, protocol=2, socket_timeout=ASK_TIMEOUT_S
    )
    try:
        found: dict[str, Any] = {}
        for name in REDIS_SETTINGS:
            found |= await client.config_get(name)
        found["role"] = (await client.info("replication"))["role"]
        found["keys"] = frozenset(str(key) for key in await client.keys("*"))
        return found
    finally:
        await client.aclose()


# -- the service -----------------------------------------------------------------------------


async def _left_service(shop: Shop, before: Measured) -> list[str]:
    words = []
    _, date = await _asked(shop, "/healthz")
    offset_s = parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        words.append(f"the service's clock is off by {offset_s:.0f} s")
    if shop.clock and (text := shop.clock.read_text().strip()) != "+0":
        words.append(f"the clock file says {text!r}")
    if (slots := await _slots(shop)) != before.slots:
        words.append(f"the service has {slots} request slots, not {before.slots}")
    return words


async def _unready(shop: Shop) -> list[str]:
    status, _ = await _asked(shop, "/readyz")
    return [] if status == 200 else [f"the service is not ready: {status}"]


async def _asked(shop: Shop, path: str) -> tuple[int, str]:
    """The status and the Date of an answer."""
    limit = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
        session.get(f"{shop.service}{path}") as answer,
    ):
        return answer.status, answer.headers["Date"]


async def _slots(shop: Shop) -> tuple[float, int]:
    """As the service says, and as its settings file says."""
    limit = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
        session.get(shop.metrics) as answer,
    ):
        lines = (await answer.text()).splitlines()
    said = next(
        line
        for line in lines
        if line.startswith('flashdrill_resource_capacity{resource="requests"')
    )
    settings = json.loads(shop.settings.read_text())
    slots = float(said.rpartition(" ")[2])
    return slots, int(settings.get("in_flight_max", slots))  # not given: its own default


async def _left_volume(shop: Shop, before: Measured) -> list[str]:
    if shop.volume is None:
        return []
    words = [f"file {path.name} in the queue" for path in shop.volume.glob(".*")]
    if _free(shop) < before.volume_free - VOLUME_TOLERANCE_BYTES:
        words.append(f"{_free(shop)} bytes are free in the queue, not {before.volume_free}")
    return words


def _free(shop: Shop) -> int:
    if shop.volume is None:
        return 0
    numbers = os.statvfs(shop.volume)
    return numbers.f_bavail * numbers.f_frsize


async def _json(url: str) -> dict[str, Any]:
    limit = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
        session.get(url) as answer,
    ):
        document: dict[str, Any] = await answer.json(content_type=None)
        return document
