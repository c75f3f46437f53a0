"""What a PostgreSQL server is doing: its sessions by state and wait, its transactions.

| metric                   | labels                            |
|--------------------------|-----------------------------------|
| pg_sessions              | shard, state, wait_type, wait     |
| pg_commits_total         | shard (the sampler's own included)|
| pg_rollbacks_total       | shard                             |
| pg_deadlocks_total       | shard                             |
| pg_rows_written_total    | shard                             |
| pg_block_reads_total     | shard                             |

The counters lag: a busy session reports what it did once a second, one that has gone idle within ten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg

from flashdrill.observe.samples import Sample

TIMEOUT_S = 1.5
APPLICATION = "flashdrill-observe"

_SESSIONS = """
SELECT coalesce(state, '') AS state, coalesce(wait_event_type, '') AS wait_type,
       coalesce(wait_event, '') AS wait, count(*)::int AS sessions
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3
"""
_DATABASE = """
SELECT xact_commit AS pg_commits_total, xact_rollback AS pg_rollbacks_total,
       deadlocks AS pg_deadlocks_total,
       tup_inserted + tup_updated + tup_deleted AS pg_rows_written_total,
       blks_read AS pg_block_reads_total
FROM pg_stat_database WHERE datname = current_database()
"""


class PostgresSource:
    """One session of its own on one server, past every proxy; made anew after any error."""

    def __init__(self, shard: str, dsn: str) -> None:
        self._shard = shard
        self._dsn = dsn
        self._connection: asyncpg.Connection[Any] | None = None
        self._seen: set[tuple[str, str, str]] = set()

    async def read(self) -> list[Sample]:
        """What it says now. Raises OSError, TimeoutError, asyncpg's errors."""
        try:
            connection = self._connection or await self._connect()
            sessions = await connection.fetch(_SESSIONS, timeout=TIMEOUT_S)
            database = await connection.fetchrow(_DATABASE, timeout=TIMEOUT_S)
        except BaseException:
            await self.close()
            raise
        return [*self._sessions(sessions), *self._counters(dict(database or {}))]

    async def close(self) -> None:
        """End the session at once: a late one would be in the way of the final reads."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connect(self) -> asyncpg.Connection[Any]:
        self._connection = await asyncpg.connect(
            self._dsn, timeout=TIMEOUT_S, server_settings={"application_name": APPLICATION}
        )
        return self._connection

    def _sessions(self, rows: list[Any]) -> Iterator[Sample]:
        """One gauge for each combination; one that was there before and is not now is 0."""
        counts = {(row["state"], row["wait_type"], row["wait"]): row["sessions"] for row in rows}
        self._seen |= set(counts)
        for combination in sorted(self._seen):
            state, wait_type, wait = combination
            labels = {"shard": self._shard, "state": state, "wait_type": wait_type, "wait": wait}
            yield Sample("pg_sessions", float(counts.get(combination, 0)), labels)

    def _counters(self, database: Mapping[str, Any]) -> Iterator[Sample]:
        for metric, value in database.items():
            yield Sample(metric, float(value), {"shard": self._shard})
