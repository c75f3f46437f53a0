"""One shard's database: a bounded pool, one statement at a time, and a limit on every wait.

    call ── breaker ── pool (bounded wait) ── statement (bounded) ──> rows, or an error that says whether it
                                                                       definitely did not happen

A connection on which anything went wrong is terminated before it is given back: what its answer would have been
belongs to nobody. asyncpg's own timeouts are not used for statements, since they open a second connection to cancel
the first; the timer here cuts the line, and the server's statement_timeout ends what it still runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from backend.breakers import Breaker
from backend.deadline import Deadline
from backend.errors import (
    DeadlineError,
    PoisonError,
    PoolExhaustedError,
    ServiceError,
    ShardUnavailableError,
    UnknownCommitError,
)
from backend.meters import Meter
from backend.settings import Settings
from backend.timing import BREAKDOWN

MIN_STATEMENT_S = 0.02
"""With less time left a statement is not begun: it would only become an unknown outcome."""

_POISON = ("22", "23", "P0")  # SQLSTATE classes: data exception, integrity, raised by our functions
_NOBODY_KNOWS = ("08", "57P")  # the line or the server went away: it may have been committed before

Rows = list[asyncpg.Record]


def speaks_against_a_shard(error: BaseException) -> bool:
    """Whether an error counts as a failure of the database (data that it refuses does not)."""
    return isinstance(error, ServiceError) and not isinstance(error, PoisonError)


class Shard:
    """The database of one shard. Use as `async with`."""

    def __init__(self, number: int, dsn: str, settings: Settings, breaker: Breaker) -> None:
        self.number = number
        self.name = f"shard{number}"
        self.breaker = breaker
        self.pool_meter = Meter(f"pool.{self.name}", settings.pool_size)
        self.statement_meter = Meter(f"postgres.{self.name}", settings.pool_size)
        self._waiting_max = settings.pool_waiting_max
        self._command_timeout_s = settings.command_timeout_s
        self._connect_timeout_s = settings.connect_timeout_s
        self._pool_size = settings.pool_size
        self._pool = _pool(dsn, settings)

    async def __aenter__(self) -> Shard:
        await self._pool
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.terminate()

    async def call(self, sql: str, *arguments: object, deadline: Deadline) -> Rows:
        """Run one statement through the breaker.

        Definite: BreakerOpenError, DeadlineError, PoolExhaustedError, ShardUnavailableError, PoisonError.
        Indefinite: UnknownCommitError.
        """
        if deadline.left_s() < MIN_STATEMENT_S:
            raise DeadlineError("no time is left to ask the database")
        async with self.breaker.guard(), self.connection(deadline) as connection:
            return await self.fetch(connection, sql, *arguments, deadline=deadline)

    @asynccontextmanager
    async def connection(self, deadline: Deadline) -> AsyncIterator[Any]:
        """A connection of the pool; terminated if anything at all goes wrong while it is held."""
        connection = await self._acquire(deadline)
        is_sound = False
        try:
            with self.pool_meter.holding(BREAKDOWN.get()):
                yield connection
            is_sound = True
        finally:
            if not is_sound:
                _cut(connection)
            await self._pool.release(connection)

    async def fetch(
        self, connection: Any, sql: str, *arguments: object, deadline: Deadline
    ) -> Rows:
        """One statement on a held connection, in autocommit."""
        limit_s = deadline.at_most(self._command_timeout_s)
        if limit_s < MIN_STATEMENT_S:
            raise DeadlineError("the wait for a connection took the whole time")
        timer = asyncio.get_running_loop().call_later(limit_s, connection.terminate)
        try:
            with self.pool_meter.inner(), self.statement_meter.holding(BREAKDOWN.get()):
                rows: Rows = await connection.fetch(sql, *arguments)
                return rows
        except asyncpg.PostgresError as error:
            raise _translated(self.name, error) from error
        except (asyncpg.InterfaceError, ValueError) as error:
            raise _misused(self.name, connection, error) from error
        except (OSError, EOFError, asyncpg.InternalClientError) as error:
            raise UnknownCommitError(f"{self.name} went away: {error}") from error
        finally:
            timer.cancel()

    async def warm_up(self) -> None:
        """Open every connection of the pool, as far as the server lets us; a rush should not wait for it."""

        async def open_one() -> None:
            try:
                connection = await self._pool.acquire(timeout=self._connect_timeout_s)
            except (OSError, EOFError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return
            opened.append(connection)

        opened: list[Any] = []
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pool_size):
                group.create_task(open_one())
        for connection in opened:
            await self._pool.release(connection)

    async def _acquire(self, deadline: Deadline) -> Any:
        if self.pool_meter.waiters >= self._waiting_max:
            raise PoolExhaustedError(f"{self.pool_meter.waiters} wait for {self.name} already")
        try:
            with self.pool_meter.waiting(BREAKDOWN.get()):
                return await self._pool.acquire(timeout=deadline.left_s())
        except TimeoutError:
            raise DeadlineError(f"no connection to {self.name} in time") from None
        except (OSError, EOFError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ShardUnavailableError(f"no connection to {self.name}: {error}") from error


def _cut(connection: Any) -> None:
    """Terminate a connection; one that the timer has cut has left the pool by itself."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _pool(dsn: str, settings: Settings) -> Any:
    """A pool that connects when it is first asked, and neither resets nor retires connections.

    Every statement of the service is complete in itself and leaves nothing behind that would need a reset.
    """
    command_ms = str(int(settings.command_timeout_s * 1000) + 200)
    return asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=settings.pool_size,
        max_queries=2**62,
        max_inactive_connection_lifetime=0,
        reset=_leave_as_it_is,
        timeout=settings.connect_timeout_s,
        ssl=False,
        server_settings={
            "application_name": "flashdrill-backend",
            "statement_timeout": command_ms,
            "idle_in_transaction_session_timeout": command_ms,
            "TimeZone": "UTC",
            "jit": "off",
        },
    )


async def _leave_as_it_is(_connection: object) -> None:
    return


def _translated(name: str, error: asyncpg.PostgresError) -> ServiceError:
    """An error answer rolls the statement back, unless it says that the line or the server is going away."""
    code = error.sqlstate or "08"
    if code.startswith(_NOBODY_KNOWS):
        return UnknownCommitError(f"{name} went away: {error}")
    if code.startswith(_POISON):
        return PoisonError(f"{name} refuses the data ({code}): {error}")
    return ShardUnavailableError(f"{name} refused the statement ({code}): {error}")


def _misused(name: str, connection: Any, error: Exception) -> ServiceError:
    """asyncpg refuses values that do not fit before it sends anything; else the line was cut."""
    if isinstance(error, ValueError):
        return PoisonError(f"{name} cannot take the data: {error}")
    return UnknownCommitError(f"{name} went away: {error}")
