"""This order system's own fault: a batch job that locked a product's stock row and never comes to an end.

Orders of that product wait for the row on that shard, hold their pool connections meanwhile, and take the pool away
from everyone else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import asyncpg

from flashdrill import Fault
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter

TIMEOUT_S = 3.0
"""Bounds connecting and every statement; also the wait for the lock among the customers'."""
NEEDED = 3
PAUSE_S = 0.05
NAME = "stuck-job"

_LOCK = "SELECT available FROM stock WHERE sku = $1 FOR UPDATE"
_HELD = (
    "SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation = 'stock'::regclass "
    "AND mode = 'RowShareLock' AND granted"
)
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2"


class StuckJob(Fault):
    """Locks the stock row of `sku` on one shard, past the proxy, in a transaction that stays open.

    Seen when three tries in a row to lock the row at once fail and the job's own lock is in pg_locks. The lock
    dies with its session, and the session with this process: the journal has nothing to undo.
    """

    kind = "stuck_job"
    slows = True
    target_kinds = frozenset({"postgres"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "sku": Parameter("text", description="the product whose stock row is locked"),
    }

    def __init__(self) -> None:
        self._job: asyncpg.Connection[Any] | None = None
        self._pid = 0

    async def baseline(self, ctx: FaultContext) -> bool:
        """Whether the row could be locked at once: customers hold it for moments only."""
        for _ in range(20):
            if await _is_free(ctx):
                return True
            await asyncio.sleep(PAUSE_S)
        return False

    async def inject(self, ctx: FaultContext) -> None:
        """Take the lock. Raises asyncpg's errors, and LookupError when there is no such product."""
        self._job = await _connect(ctx)
        self._pid = self._job.get_server_pid()
        await self._job.execute("BEGIN", timeout=TIMEOUT_S)
        sku = ctx.parameters["sku"]
        if await self._job.fetchrow(_LOCK, sku, timeout=TIMEOUT_S) is None:
            raise LookupError(f"{ctx.target.name} has no stock of {sku!r}")

    async def observe(self, ctx: FaultContext, baseline: bool) -> Evidence:
        """Until the row was found locked three times in a row."""
        now = asyncio.get_running_loop().time
        began = now()
        failures = 0
        while failures < NEEDED and now() - began < ctx.observe_s:
            failures = 0 if await _is_free(ctx) else failures + 1
            await asyncio.sleep(PAUSE_S)
        held, waiting = await _counts(ctx, self._pid)
        return Evidence(
            baseline and failures >= NEEDED and held > 0,
            {
                "was_free_before": baseline,
                "refused_in_a_row": failures,
                "locks_held": held,
                "sessions_waiting": waiting,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """End the job's session, and its transaction with it."""
        job, self._job = self._job, None
        if job is None:
            return
        try:
            await job.fetchval("SELECT 1", timeout=TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.has_ended_early = True  # somebody ended its session before us
        job.terminate()

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The session is gone; healing's limit bounds the wait."""
        while True:
            sessions = await _fetch(ctx, _SESSIONS, self._pid, NAME)
            if not sessions:
                return Evidence(True, {"sessions_left": 0})
            await asyncio.sleep(PAUSE_S)


async def _connect(ctx: FaultContext) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(
        ctx.target.dsn, timeout=TIMEOUT_S, server_settings={"application_name": NAME}
    )


async def _is_free(ctx: FaultContext) -> bool:
    """Whether the row can be locked this very moment; the lock is given back at once."""
    try:
        await _fetch(ctx, f"{_LOCK} NOWAIT", ctx.parameters["sku"])
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _counts(ctx: FaultContext, pid: int) -> tuple[int, int]:
    return await _fetch(ctx, _HELD, pid), await _fetch(ctx, _WAITING, pid)


async def _fetch(ctx: FaultContext, query: str, *arguments: Any) -> Any:
    """One value over a session of its own."""
    connection = await _connect(ctx)
    try:
        return await connection.fetchval(query, *arguments, timeout=TIMEOUT_S)
    finally:
        connection.terminate()
