"""What the locks have in common: taken in a transaction that stays open, proven by tries that are refused at once."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass

import asyncpg

from flashdrill.chaos.fault import Evidence, FaultContext
from flashdrill.chaos.session import POLL_S, SessionFault, Sessions

LOCK_TIMEOUT_S = 5.0
"""How long the lock is waited for among the customers'; who comes after us waits behind us meanwhile."""
ACQUIRE_TIMEOUT_S = 8.0
NEEDED = 3
"""Tries in a row that must be refused: customers hold such locks too, for moments."""
FREE_TRIES = 20

_RELATION = (
    "SELECT format('%I.%I', nspname, relname) AS name, relkind::text AS kind "
    "FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE pg_class.oid = coalesce(to_regclass(quote_ident($1)), to_regclass($1))"
)
_HELD = (
    "SELECT count(*) FILTER (WHERE relation = $2::text::regclass AND mode = $3), "
    "count(*) FILTER (WHERE locktype = 'transactionid') FROM pg_locks WHERE pid = $1 AND granted"
)
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"


@dataclass(frozen=True, slots=True)
class Held:
    """What the fault's transaction holds at the server, and how many sessions wait for it."""

    locks: int
    transaction_ids: int  # 1 as soon as a row is locked
    waiting: int


class LockFault(SessionFault):
    """A lock in a transaction of its own. Subclasses say which."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = 0
        self._rows = 0

    @abstractmethod
    def mode(self, ctx: FaultContext) -> str:
        """The lock on the table, as pg_locks calls it."""

    @abstractmethod
    def acquiring(self, ctx: FaultContext, table: str) -> str:
        """The statement that takes the lock; its value is the number of locked rows, if it has one."""

    @abstractmethod
    def trying(self, ctx: FaultContext, table: str) -> str:
        """A statement that is refused at once when the lock is held, and holds nothing when it is over."""

    def first_try(self, ctx: FaultContext, table: str) -> str:
        """The same before the fault; it may ask for less."""
        return self.trying(ctx, table)

    @abstractmethod
    def check(self, ctx: FaultContext, rows: int) -> None:
        """Raise LookupError when what was locked is nothing."""

    async def before(self, ctx: FaultContext) -> bool:
        """Whether the lock could be had at once: customers hold it for moments only."""
        sessions = self.sessions(ctx)
        table = await relation(sessions, ctx.parameters["table"], ctx.target.name)
        for _ in range(FREE_TRIES):
            if not await _refusal(sessions, self.first_try(ctx, table)):
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def inject(self, ctx: FaultContext) -> None:
        """Take the lock. Raises LookupError when there is nothing to lock, asyncpg's errors when it is not given."""
        sessions = self.sessions(ctx)
        table = await relation(sessions, ctx.parameters["table"], ctx.target.name)
        session = await sessions.open(lock_timeout=f"{LOCK_TIMEOUT_S:g}s")
        await session.execute("BEGIN", timeout=ACQUIRE_TIMEOUT_S)
        found = await session.fetchval(self.acquiring(ctx, table), timeout=ACQUIRE_TIMEOUT_S)
        self._rows = int(found or 0)
        self.check(ctx, self._rows)
        self._pid = session.get_server_pid()

    async def observe(self, ctx: FaultContext, baseline: bool) -> Evidence:
        """Until the lock was refused three times in a row."""
        sessions = self.sessions(ctx)
        table = await relation(sessions, ctx.parameters["table"], ctx.target.name)
        now = asyncio.get_running_loop().time
        began, refused, said = now(), 0, ""
        while refused < NEEDED and now() - began < ctx.observe_s - POLL_S:
            said = await _refusal(sessions, self.trying(ctx, table))
            refused = refused + 1 if said else 0
            await asyncio.sleep(POLL_S)
        held = await _held(sessions, self._pid, table, self.mode(ctx))
        return Evidence(
            baseline and refused >= NEEDED and self.is_held(held),
            {
                "was_free_before": baseline,
                "refused_in_a_row": refused,
                "refused_with": said,
                "mode": self.mode(ctx),
                "locks_held": held.locks,
                "rows_locked": self._rows,
                "sessions_waiting": held.waiting,
                "observed_after_s": round(now() - began, 3),
            },
        )

    def is_held(self, held: Held) -> bool:
        """Whether the server says that the fault's transaction has its lock."""
        return held.locks > 0


async def relation(sessions: Sessions, name: str, where: str) -> str:
    """The table's name with its schema, quoted; LookupError when there is no such table.

    `name` is the bare name, or what SQL would call it: `stock`, `shop.stock`, `"Stock"`.
    """
    found = await sessions.look(_RELATION, name)
    if not found:
        raise LookupError(f"{where} has no table {name!r}; write it as in SQL, with its schema")
    if found[0]["kind"] not in {"r", "p"}:
        raise LookupError(f"{name!r} on {where} is no table")
    return str(found[0]["name"])


async def _refusal(sessions: Sessions, query: str) -> str:
    """The server's words when it does not give the lock at once; empty when it did."""
    try:
        await sessions.look(query)
    except asyncpg.LockNotAvailableError as error:
        return f"{error.sqlstate}: {error}"
    return ""


async def _held(sessions: Sessions, pid: int, table: str, mode: str) -> Held:
    locks, ids = (await sessions.look(_HELD, pid, table, mode))[0]
    return Held(locks, ids, await sessions.value(_WAITING, pid))
