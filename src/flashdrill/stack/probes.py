"""Whether a server answers, and waiting until it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
import asyncpg

from flashdrill.errors import StackError
from flashdrill.stack.ports import HOST
from flashdrill.stack.postgres import dsn
from flashdrill.stack.services import READY_PATH

PROBE_TIMEOUT_S = 2.0
_POLL_S = 0.02
_TAIL_BYTES = 4_000
_TAIL_LINES = 6

Probe = Callable[[], Awaitable[bool]]


async def postgres_answers(dsn: str) -> bool:
    """Whether the database takes a query now."""
    try:
        connection = await asyncpg.connect(dsn, timeout=PROBE_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    try:
        return bool(await connection.fetchval("SELECT true", timeout=PROBE_TIMEOUT_S))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    finally:
        connection.terminate()


async def redis_answers(host: str, port: int) -> bool:
    """Whether Redis says PONG now."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def http_answers(url: str) -> bool:
    """Whether a GET is answered with 200 now."""
    limit = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def probe_of(name: str, ports: Mapping[str, int]) -> Probe:
    """The question that tells whether a server of a stack is ready, asked past the proxies."""
    if name.startswith("shard"):
        return lambda: postgres_answers(dsn(ports[name]))
    if name == "redis":
        return lambda: redis_answers(HOST, ports["redis"])
    if name == "toxiproxy":
        return lambda: http_answers(f"http://{HOST}:{ports['toxiproxy']}/version")
    if name == "edge":
        return lambda: http_answers(f"http://{HOST}:{ports['edge']}/version")
    if name == "backend":
        return lambda: http_answers(f"http://{HOST}:{ports['backend']}{READY_PATH}")
    raise StackError(f"nobody knows when {name} is ready")


async def wait_until_ready(
    name: str,
    probe: Probe,
    *,
    is_running: Callable[[], bool],
    log: Path,
    timeout_s: float,
) -> None:
    """Poll until the server answers. StackError, with the end of its log, when it dies or is too slow."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await probe():
        if not is_running():
            raise died(name, log)
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(
                f"{name} did not answer within {timeout_s:g} s; the end of its log:\n{tail(log)}",
                remedy=f"the whole log: {log}",
            )
        await asyncio.sleep(_POLL_S)


def died(name: str, log: Path) -> StackError:
    """The error for a server that ended by itself, with the remedy that its log suggests."""
    end = tail(log)
    return StackError(f"{name} ended by itself; the end of its log:\n{end}", remedy=remedy(end))


def remedy(text: str) -> str:
    """What to do about the usual reasons for which a server does not start."""
    lowered = text.lower()
    if "address already in use" in lowered:
        return "another process has taken its port: try again, or stop that process"
    if "no space left" in lowered or "disk quota" in lowered:
        return "the disk is full: free some space, or point TMPDIR or --state at another disk"
    if "no module named" in lowered:
        return "pip install 'flashdrill[reference]'"
    if "could not create shared memory" in lowered or "cannot allocate memory" in lowered:
        return "free some memory"
    return "read its log in the run's logs"


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return "    (no log)"
    lines = text.strip().splitlines()[-_TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (nothing)"
