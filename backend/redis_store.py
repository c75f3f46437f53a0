"""Redis with a bound and a limit on every wait; every failure is a GateUnavailableError."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.breakers import Breaker, BreakerOpenError
from backend.deadline import Deadline
from backend.errors import GateUnavailableError
from backend.meters import Meter
from backend.settings import Settings
from backend.timing import BREAKDOWN

T = TypeVar("T")


class RedisStore:
    """A bounded pool behind a breaker. Nothing is retried: the caller knows what may be done twice."""

    def __init__(self, settings: Settings, breaker: Breaker) -> None:
        self.breaker = breaker
        self.meter = Meter("redis", settings.redis_pool_size)
        self._timeout_s = settings.redis_timeout_s
        self._places = asyncio.Semaphore(settings.redis_pool_size)
        pool = ConnectionPool.from_url(
            settings.redis_url,
            max_connections=settings.redis_pool_size,
            socket_timeout=settings.redis_timeout_s,
            socket_connect_timeout=settings.redis_timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis = Redis(connection_pool=pool)
        self._pool = pool

    def script(self, text: str) -> Any:
        """A Lua script, to be called as `script(keys, args, client=redis)`."""
        return self._redis.register_script(text)

    async def run(self, operation: Callable[[Any], Awaitable[T]], deadline: Deadline) -> T:
        """The operation's answer. Raises GateUnavailableError; then it may or may not have been carried out."""
        try:
            async with self.breaker.guard(), asyncio.timeout(deadline.at_most(self._timeout_s)):
                with self.meter.waiting(BREAKDOWN.get()):
                    await self._places.acquire()
                try:
                    with self.meter.holding(BREAKDOWN.get()), _lost_connections_told():
                        return await operation(self._redis)
                finally:
                    self._places.release()
        except BreakerOpenError as error:
            raise GateUnavailableError(str(error)) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise GateUnavailableError(f"redis does not answer: {error}") from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
        await self._pool.aclose()


@contextmanager
def _lost_connections_told() -> Iterator[None]:
    """uvloop calls writing to a connection that has just been lost a RuntimeError; asyncio, and we, an OSError."""
    try:
        yield
    except RuntimeError as error:
        if "handler is closed" not in str(error):
            raise
        raise ConnectionResetError(str(error)) from error
