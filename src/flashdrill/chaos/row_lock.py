"""Rows that somebody locked and does not let go of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.lock import Held, LockFault


class RowLock(LockFault):
    """Locks rows of `table` with SELECT … FOR UPDATE in a transaction that stays open: who wants to change them, or
    to lock them, waits. `where` is SQL of the plan's author, put into the statement as it stands; without it every
    row is locked. When no row is, the injection has failed.

    Seen when three tries in a row to lock the rows at once are refused (55P03), while pg_locks has the transaction's
    lock and its id. Healed when the session is gone.
    """

    kind = "row_lock"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "table": Parameter("text", description="the table, as SQL names it: stock, shop.stock"),
        "where": Parameter("text", "true", "which rows, as a condition in SQL"),
    }

    def mode(self, ctx: FaultContext) -> str:
        """What FOR UPDATE takes on the table."""
        return "RowShareLock"

    def acquiring(self, ctx: FaultContext, table: str) -> str:
        """Lock the rows and count them."""
        return _locking(ctx, table, "FOR UPDATE")

    def trying(self, ctx: FaultContext, table: str) -> str:
        """Refused at the first row that is locked."""
        return _locking(ctx, table, "FOR UPDATE NOWAIT")

    def first_try(self, ctx: FaultContext, table: str) -> str:
        """One row is enough: customers who hold some of many rows are no reason to doubt."""
        return _locking(ctx, table, "LIMIT 1 FOR UPDATE NOWAIT")

    def check(self, ctx: FaultContext, rows: int) -> None:
        """Some row was locked."""
        if not rows:
            table, where = ctx.parameters["table"], ctx.parameters["where"]
            raise LookupError(f"no row of {table!r} on {ctx.target.name} is {where!r}")

    def is_held(self, held: Held) -> bool:
        """A transaction gets its id when it locks its first row."""
        return held.locks > 0 and held.transaction_ids > 0


def _locking(ctx: FaultContext, table: str, how: str) -> str:
    where = ctx.parameters["where"]
    return f"SELECT count(*) FROM (SELECT FROM {table} WHERE ({where}\n) {how}) AS locked"  # noqa: S608  (see `where`)
