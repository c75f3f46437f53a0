"""A table that somebody locked and does not let go of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.lock import LockFault

REFUSES = {
    "access_exclusive": "ACCESS SHARE",
    "exclusive": "ROW SHARE",
    "share_row_exclusive": "ROW EXCLUSIVE",
    "share": "ROW EXCLUSIVE",
}
"""The modes that make customers wait, and the weakest one that each of them does not let in."""


class TableLock(LockFault):
    """Locks `table` in a transaction that stays open: with `access_exclusive` even readers wait, with `exclusive`
    SELECT … FOR UPDATE and writers, with `share_row_exclusive` and `share` writers.

    Seen when three tries in a row to take the weakest lock that this one does not let in are refused (55P03), while
    pg_locks has the fault's own. Healed when the session is gone.
    """

    kind = "table_lock"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "table": Parameter("text", description="the table, as SQL names it: stock, shop.stock"),
        "mode": Parameter("text", "access_exclusive", "how it is locked", "|".join(REFUSES)),
    }

    def mode(self, ctx: FaultContext) -> str:
        """AccessExclusiveLock and so on."""
        return str(ctx.parameters["mode"]).title().replace("_", "") + "Lock"

    def acquiring(self, ctx: FaultContext, table: str) -> str:
        """LOCK TABLE."""
        return f"LOCK TABLE {table} IN {ctx.parameters['mode'].replace('_', ' ')} MODE"

    def trying(self, ctx: FaultContext, table: str) -> str:
        """The weakest lock that is refused; in a block, so that it is given back at once. Raises LookupError."""
        mode = ctx.parameters["mode"]
        if mode not in REFUSES:
            raise LookupError(f"no mode {mode!r}: there are {', '.join(REFUSES)}")
        return f"DO $try$ BEGIN LOCK TABLE {table} IN {REFUSES[mode]} MODE NOWAIT; END $try$"

    def check(self, ctx: FaultContext, rows: int) -> None:
        """A table is locked whatever is in it."""
