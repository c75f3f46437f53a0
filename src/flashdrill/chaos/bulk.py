"""Heavier canaries, for faults that a few bytes do not feel: the same bytes there and back.

redis: ECHO · postgres: SELECT $1 (needs the DSN's login) · http: a row of GET /healthz on one connection
"""

from __future__ import annotations

import asyncio
import math

import asyncpg

from flashdrill.chaos.canary import Reading, Seen, ask, converse, dialect_of
from flashdrill.chaos.target import Address, Target
from flashdrill.chaos.wire import Wire

MOST_BYTES = 1_048_576
_HTTP_ANSWER_BYTES = 150  # about: what a small answer with its headers takes
_MOST_REQUESTS = 100


async def transfer(target: Target, address: Address, size: int, timeout_s: float) -> Reading:
    """Move about `size` bytes (at most 1 MiB; http: 100 answers) each way and say how that went."""
    size = max(1, min(size, MOST_BYTES))
    dialect = dialect_of(target)
    if dialect is None:
        return await ask(target, address, timeout_s)
    if dialect.name == "postgres":
        return await _select(target.dsn, address, size, timeout_s)
    talk = _Echo(size) if dialect.name == "redis" else _Row(size)
    return await converse(address, talk, timeout_s)


class _Echo:
    """One ECHO command."""

    def __init__(self, size: int) -> None:
        self._payload = b"x" * size

    async def __call__(self, wire: Wire) -> bool:
        size = b"%d" % len(self._payload)
        await wire.send(b"*2\r\n$4\r\nECHO\r\n$" + size + b"\r\n" + self._payload + b"\r\n")
        expected = 1 + len(size) + 2 + len(self._payload) + 2
        while wire.received < expected:
            if not await wire.receive():
                return False
        return True


class _Row:
    """Pipelined requests; the last one asks for the end of the connection."""

    def __init__(self, size: int) -> None:
        self._count = min(_MOST_REQUESTS, max(1, math.ceil(size / _HTTP_ANSWER_BYTES)))

    async def __call__(self, wire: Wire) -> bool:
        request = b"GET /healthz HTTP/1.1\r\nHost: canary\r\n"
        await wire.send((request + b"\r\n") * (self._count - 1))
        await wire.send(request + b"Connection: close\r\n\r\n")
        answers = b""
        while data := await wire.receive():
            answers += data
        return answers.count(b"HTTP/1.") >= self._count


async def _select(dsn: str, address: Address, size: int, timeout_s: float) -> Reading:
    now = asyncio.get_running_loop().time
    began = now()
    try:
        async with asyncio.timeout(timeout_s):
            await _round_trip(dsn, address, size, timeout_s)
        seen = Seen.ANSWERED
    except TimeoutError:
        seen = Seen.SILENT
    except ConnectionRefusedError:
        seen = Seen.REFUSED
    except ConnectionResetError:
        seen = Seen.RESET
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        seen = Seen.CLOSED
    return Reading(seen, now() - began, sent=size, received=size if seen is Seen.ANSWERED else 0)


async def _round_trip(dsn: str, address: Address, size: int, timeout_s: float) -> None:
    connection = await asyncpg.connect(
        dsn, host=address[0], port=address[1], timeout=timeout_s, ssl=False
    )
    try:
        await connection.fetchval("SELECT $1::text", "x" * size, timeout=timeout_s)
    finally:
        connection.terminate()
