"""One shard's final reads: seven queries on one connection, the rows from one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from flashdrill.model.reads import (
    LineRow,
    MoneyMovement,
    OrderRow,
    PaymentRow,
    StockMovement,
    StockRow,
)

TABLES = ("orders", "lines", "stock", "movements", "money", "payments")
QUERIES = (*TABLES, "sessions")
SESSION_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ShardReads:
    """What one shard holds, and how many client sessions other than ours it still had."""

    orders: tuple[OrderRow, ...]
    lines: tuple[LineRow, ...]
    stock: tuple[StockRow, ...]
    movements: tuple[StockMovement, ...]
    money: tuple[MoneyMovement, ...]
    payments: tuple[PaymentRow, ...]
    open_sessions: int


def load_queries(folder: Path) -> dict[str, str]:
    """The SQL by name. Raises OSError when a file cannot be read."""
    return {name: (folder / f"{name}.sql").read_text(encoding="utf-8") for name in QUERIES}


async def read_shard(
    number: int, dsn: str, queries: Mapping[str, str], *, timeout_s: float
) -> ShardReads:
    """Read one shard through its direct address, within `timeout_s` in all.

    Sessions are waited for, for half of that time at most, before the snapshot is taken: one that is
    closing needs a moment. Raises asyncpg's errors, OSError, TimeoutError, and TypeError for a query
    that gives other columns than `model.reads` has.
    """
    async with asyncio.timeout(timeout_s):
        connection = await asyncpg.connect(dsn, timeout=timeout_s, command_timeout=timeout_s)
        try:
            sessions = await _settled(connection, queries["sessions"], patience_s=timeout_s / 2)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                rows = {name: await connection.fetch(queries[name]) for name in TABLES}
        finally:
            connection.terminate()
    return _typed(number, rows, sessions)


async def _settled(connection: asyncpg.Connection, query: str, *, patience_s: float) -> int:
    """The number of other sessions: 0 as soon as they are gone, else how many are left in the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        sessions = int(await connection.fetchval(query))
        if sessions == 0 or loop.time() >= deadline:
            return sessions
        await asyncio.sleep(SESSION_POLL_S)


def _typed(number: int, rows: Mapping[str, list[asyncpg.Record]], open_sessions: int) -> ShardReads:
    return ShardReads(
        orders=tuple(OrderRow(shard=number, **dict(row)) for row in rows["orders"]),
        lines=tuple(LineRow(shard=number, **dict(row)) for row in rows["lines"]),
        stock=tuple(StockRow(shard=number, **dict(row)) for row in rows["stock"]),
        movements=tuple(StockMovement(shard=number, **dict(row)) for row in rows["movements"]),
        money=tuple(MoneyMovement(shard=number, **dict(row)) for row in rows["money"]),
        payments=tuple(PaymentRow(shard=number, **dict(row)) for row in rows["payments"]),
        open_sessions=open_sessions,
    )
