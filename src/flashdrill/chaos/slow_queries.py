"""Queries that keep a server busy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

import asyncpg

from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.session import GONE, SessionFault

NEEDED = 3
"""Looks that must find every session at work."""
LOOKS_APART_S = 0.1
GRACE_S = 30.0
"""How much longer than planned a query may take on a busy server, before it is cancelled."""

_QUERY = """DO $slow$ DECLARE
    until timestamptz := clock_timestamp() + interval '{seconds} s';
BEGIN
    WHILE clock_timestamp() < until LOOP
        PERFORM max(md5(n::text)) FROM generate_series(1, 2000) AS n;
    END LOOP;
END $slow$"""
_ACTIVE = (
    "SELECT count(*) FILTER (WHERE state = 'active') AS active, "
    "coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) "
    "FILTER (WHERE state = 'active'), 0)::float8 AS longest_s "
    "FROM pg_stat_activity WHERE application_name = $1"
)
_REFERENCE = "SELECT max(md5(n::text)) FROM generate_series(1, 5000) AS n"


class SlowQueries(SessionFault):
    """Runs CPU-heavy queries of about `query_time` each, one after the other, in each of `sessions` sessions. They
    read no table and lock nothing: others get less of the processor.

    Seen when three looks at pg_stat_activity find every one of the sessions at work; how much longer a small query
    takes than before is in the evidence, and proves nothing by itself. Healed when no session is left.
    """

    kind = "slow_queries"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "sessions": Parameter(
            "int", 4, "how many queries run at the same time", "sessions", least=1
        ),
        "query_time": Parameter("duration", 1.0, "how long a query takes", "s"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._work: asyncio.Task[None] | None = None
        self._finished = 0

    async def before(self, ctx: FaultContext) -> float:
        """How long the small query takes, in seconds; the quickest of three."""
        return min([await self._reference_s(ctx) for _ in range(3)])

    async def inject(self, ctx: FaultContext) -> None:
        """Open the sessions and set them to work. Raises asyncpg's errors."""
        count = ctx.parameters["sessions"]
        sessions = self.sessions(ctx)
        await sessions.left()  # the watcher is in while the server has time for it
        for _ in range(count):
            await sessions.open()
        self._work = asyncio.create_task(self._busy(ctx.parameters["query_time"], sessions.held))

    async def observe(self, ctx: FaultContext, baseline: float) -> Evidence:
        """Until three looks found every session at work."""
        wanted = ctx.parameters["sessions"]
        now = asyncio.get_running_loop().time
        began, looks, full, longest_s = now(), 0, 0, 0.0
        while full < NEEDED and now() - began < ctx.observe_s - LOOKS_APART_S:
            await asyncio.sleep(LOOKS_APART_S)
            row = (await self.sessions(ctx).look(_ACTIVE, self.sessions(ctx).name))[0]
            looks += 1
            full += row["active"] >= wanted
            longest_s = max(longest_s, row["longest_s"])
        observed_s = now() - began
        reference_s = await self._reference_s(ctx)
        return Evidence(
            full >= NEEDED,
            {
                "looks": looks,
                "looks_with_all_at_work": full,
                "at_work": row["active"],
                "queries_finished": self._finished,
                "longest_seen_ms": round(longest_s * 1000, 1),
                "small_query_before_ms": None if baseline is None else round(baseline * 1000, 2),
                "small_query_ms": round(reference_s * 1000, 2),
                "observed_after_s": round(observed_s, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """End the sessions at the server: a query at work does not notice at once that nobody waits for it."""
        await super().heal(ctx)
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _busy(self, query_s: float, sessions: list[asyncpg.Connection[Any]]) -> None:
        """Every session at work until it is ended."""
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(self._one(session, query_s))

    async def _one(self, session: asyncpg.Connection[Any], query_s: float) -> None:
        query = _QUERY.format(seconds=float(query_s))
        with contextlib.suppress(*GONE):
            while True:
                await session.execute(query, timeout=query_s + GRACE_S)
                self._finished += 1

    async def _reference_s(self, ctx: FaultContext) -> float:
        now = asyncio.get_running_loop().time
        began = now()
        await self.sessions(ctx).look(_REFERENCE)
        return now() - began
