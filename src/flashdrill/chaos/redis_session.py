"""A short talk with a Redis server, past every proxy: one connection, every wait bounded, nothing tried twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from flashdrill.chaos.fault import FaultContext
from flashdrill.errors import StackError

TALK_TIMEOUT_S = 2.0
"""Bounds the connection, and each answer."""


class RedisRefusedError(StackError):
    """The server answered with an error: it did definitely not do it. `code` is its first word, such as OOM."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RedisSession:
    """Commands, and the few answers that faults look at."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def ask(self, *words: str | int) -> Any:
        """The answer to a command. Raises RedisRefusedError, or StackError when it may or may not have been done."""
        try:
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            raise _refusal(error) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise StackError(f"Redis did not answer {words[0]}: {error}") from error

    async def setting(self, name: str) -> str:
        """The value of a setting, as CONFIG SET takes it. StackError when the server does not know it."""
        found = await self.ask("CONFIG", "GET", name)
        values = (
            found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
        )
        if name not in values:
            raise StackError(f"this Redis has no setting {name!r}")
        return str(values[name])

    async def set(self, name: str, value: str) -> None:
        """Change a setting."""
        await self.ask("CONFIG", "SET", name, value)

    async def keys(self) -> int:
        """How many keys there are, in all databases."""
        spaces = (await self.info("keyspace")).values()
        return sum(int(space["keys"]) for space in spaces if isinstance(space, dict))

    async def info(self, section: str) -> dict[str, Any]:
        """A section of INFO."""
        found: dict[str, Any] = await self.ask("INFO", section)
        return found

    async def refusal_of_a_write(self, key: str) -> str:
        """Whether a small write of our own is refused: the first word of the error, empty when it was taken."""
        try:
            await self.ask("SET", key, "flashdrill", "PX", 1000)
            await self.ask("DEL", key)
        except RedisRefusedError as refusal:
            return refusal.code
        return ""


@asynccontextmanager
async def redis_session(
    ctx: FaultContext, timeout_s: float = TALK_TIMEOUT_S
) -> AsyncIterator[RedisSession]:
    """A session with the target itself; its connection is made by the first command."""
    host, port = ctx.target.upstream
    client = Redis(
        host=host,
        port=port,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        single_connection_client=False,
        max_connections=1,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
    )
    try:
        yield RedisSession(client)
    finally:
        await client.aclose()


def key_of(ctx: FaultContext) -> str:
    """A key that only this fault uses."""
    return f"flashdrill:{ctx.planned.id}"


def undoing(
    ctx: FaultContext, commands: Sequence[Sequence[str]], tolerates: Sequence[str] = ()
) -> dict[str, Any]:
    """The journal's entry that gives these commands to the server."""
    host, port = ctx.target.upstream
    return {
        "type": "redis",
        "host": host,
        "port": port,
        "commands": [list(words) for words in commands],
        "tolerates": list(tolerates),
    }


def _refusal(error: ResponseError) -> RedisRefusedError:
    """The client strips the first word from some errors and gives them a class of their own instead."""
    words = str(error)
    known = {"OutOfMemoryError": "OOM", "ReadOnlyError": "READONLY"}
    code = known.get(type(error).__name__) or words.partition(" ")[0]
    return RedisRefusedError(code, words if words.startswith(code) else f"{code} {words}")
