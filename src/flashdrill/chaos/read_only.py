"""A server that takes no writes any more."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from flashdrill.chaos.fault import Evidence, FaultContext
from flashdrill.chaos.session import GONE, POLL_S, STATEMENT_TIMEOUT_S, SessionFault, Sessions
from flashdrill.errors import StackError

NEEDED = 3
"""Fresh sessions in a row whose write is refused."""

_WRITE = "INSERT INTO pg_catalog.pg_description SELECT * FROM pg_catalog.pg_description WHERE false"
"""Refused in a read-only transaction like any write, and else writes nothing: no row, and no trigger either."""
_KEPT = (
    "SELECT setting FROM pg_file_settings WHERE name = 'default_transaction_read_only' "
    "AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1"
)
_SET = "ALTER SYSTEM SET default_transaction_read_only = {value}"
_RESET = "ALTER SYSTEM RESET default_transaction_read_only"
_RELOAD = "SELECT pg_reload_conf()"


class ReadOnly(SessionFault):
    """Makes every transaction read-only (ALTER SYSTEM SET default_transaction_read_only, and a reload), for new
    sessions and those that are there, as after a failover to a standby. A session, a role or a database that sets it
    for itself is not moved. The role must be allowed to ALTER SYSTEM. It outlives a restart of the server.

    Seen when writes in three fresh sessions in a row are refused with 25006. Healed when postgresql.auto.conf says
    what it said before and a fresh session's write is taken.
    """

    kind = "read_only"

    def __init__(self) -> None:
        super().__init__()
        self._kept: str | None = None  # what postgresql.auto.conf said before; None: nothing
        self._why_not = "nobody could see how the server was set before"
        self._is_injected = False
        self._elder: asyncpg.Connection[Any] | None = None

    async def before(self, ctx: FaultContext) -> bool:
        """Whether a write is taken; also what healing must restore. Raises asyncpg's errors."""
        sessions = self.sessions(ctx)
        self._kept = await _kept(sessions)
        refusal = await _write(sessions)
        self._why_not = f"{ctx.target.name} takes no write as it is: {refusal}" if refusal else ""
        return not refusal

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """What was set before. Raises StackError when that is not known, or was read-only."""
        if self._why_not:
            raise StackError(self._why_not)
        return {"type": "sql", "dsn": ctx.target.dsn, "statements": [self._restoring(), _RELOAD]}

    async def inject(self, ctx: FaultContext) -> None:
        """Set it and let the server read it."""
        sessions = self.sessions(ctx)
        self._elder = await sessions.plain()
        self._is_injected = True
        await sessions.look(_SET.format(value="on"))
        await sessions.look(_RELOAD)

    async def observe(self, ctx: FaultContext, baseline: bool) -> Evidence:
        """Until three fresh sessions in a row were refused."""
        sessions = self.sessions(ctx)
        now = asyncio.get_running_loop().time
        began, refused, said = now(), 0, ""
        while refused < NEEDED and now() - began < ctx.observe_s - POLL_S:
            said = await _write(sessions)
            refused = refused + 1 if said.startswith("25006") else 0
            await asyncio.sleep(POLL_S)
        elder = await _write(sessions, self._elder) if self._elder is not None else ""
        return Evidence(
            baseline and refused >= NEEDED,
            {
                "write_taken_before": baseline,
                "refused_in_a_row": refused,
                "refused_with": said,
                "session_from_before": elder or "takes writes",
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Restore what was set before, and let the server read it."""
        sessions = self.sessions(ctx)
        if self._elder is not None:
            self._elder.terminate()
            self._elder = None
        if self._is_injected and await _kept(sessions) != "on":
            self.has_ended_early = True
        await sessions.look(self._restoring())
        await sessions.look(_RELOAD)
        self._is_injected = False

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The setting is as it was, and a write is taken (unless another fault is in force on the server)."""
        sessions = self.sessions(ctx)
        kept, refusal = await _kept(sessions), await _write(sessions)
        found = {
            "kept_setting": kept or "none",
            "write": refusal or "taken",
        }
        if kept != self._kept:
            return Evidence(False, {**found, "reason": f"postgresql.auto.conf says {kept!r}"})
        if refusal and not ctx.others_in_force():
            return Evidence(False, {**found, "reason": f"a write is refused: {refusal}"})
        sessions.close()
        return Evidence(True, found)

    def _restoring(self) -> str:
        if self._kept is None:
            return _RESET
        return _SET.format(value="'" + self._kept.replace("'", "''") + "'")


async def _kept(sessions: Sessions) -> str | None:
    """What postgresql.auto.conf says; None: nothing."""
    rows = await sessions.look(_KEPT)
    return str(rows[0][0]) if rows else None


async def _write(sessions: Sessions, session: asyncpg.Connection[Any] | None = None) -> str:
    """Why a write of no row is refused, by a session or a fresh one; empty: it is taken."""
    own = session
    try:
        own = own or await sessions.plain()
        await own.execute(_WRITE, timeout=STATEMENT_TIMEOUT_S)
    except GONE as error:
        return f"{getattr(error, 'sqlstate', '') or type(error).__name__}: {error}"
    finally:
        if session is None and own is not None:
            own.terminate()
    return ""
