"""A fault's own sessions on a PostgreSQL server, past the proxy.

flashdrill-<fault id>   what does the harm: counted, and ended, by that name
flashdrill looks        one that watches: opened before the harm, so that it is there when nobody else gets in
"""

from __future__ import annotations

import asyncio
import hashlib
from abc import abstractmethod
from typing import Any, ClassVar

import asyncpg

from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.errors import StackError

CONNECT_TIMEOUT_S = 3.0
STATEMENT_TIMEOUT_S = 3.0
"""Bounds every statement for which no other limit is named."""
POLL_S = 0.05
ENDING_S = 0.5
"""How long sessions that were ended may take to be gone, before they are ended again."""
WATCHER = "flashdrill looks"
GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a server that goes away, or does not want us, can look like."""

_NAME_BYTES = 63  # the server cuts off the rest
_SETTINGS = {
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_read_only": "off",
    "client_connection_check_interval": "1000",
}
"""No limit of the server's own ends a fault, no other fault keeps it from being healed, and a session whose client
died notices within a second even when it is at work."""

_SET = (
    "SELECT set_config(wanted.name, wanted.value, false) "
    "FROM unnest($1::text[], $2::text[]) AS wanted (name, value) JOIN pg_settings USING (name)"
)  # older servers do not know all of them
_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
_END = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name = '{name}' AND pid <> pg_backend_pid()"
)


class Sessions:
    """The sessions of one fault on the server at `dsn`."""

    def __init__(self, fault: str, dsn: str) -> None:
        self.name = session_name(fault)
        self.held: list[asyncpg.Connection[Any]] = []
        self._dsn = dsn
        self._watcher: asyncpg.Connection[Any] | None = None
        self._looking = asyncio.Lock()

    def undo(self) -> dict[str, Any]:
        """The journal's entry that ends them all.

        The kernel closes a dead harness's connections, and a server ends an idle session as soon as it reads that;
        one at work it ends within a second, since it is told to check. The statement is for what is left even so.
        """
        return {"type": "sql", "dsn": self._dsn, "statements": [_END.format(name=self.name)]}

    async def open(self, **settings: str) -> asyncpg.Connection[Any]:
        """One more that does harm, with these settings of the server's; kept in `held`. Raises GONE's errors."""
        session = await connect(self._dsn, self.name, settings)
        self.held.append(session)
        return session

    async def plain(self) -> asyncpg.Connection[Any]:
        """A session like any customer's: no setting of ours. The caller ends it."""
        return await _logged_in(self._dsn, WATCHER)

    async def look(
        self, query: str, *arguments: Any, timeout_s: float = STATEMENT_TIMEOUT_S
    ) -> list[Any]:
        """The rows of a query, asked by the watcher."""
        async with self._looking:
            if self._watcher is None or self._watcher.is_closed():
                self._watcher = await connect(self._dsn, WATCHER, {})
            return list(await self._watcher.fetch(query, *arguments, timeout=timeout_s))

    async def value(self, query: str, *arguments: Any) -> Any:
        """The first value of a query's first row."""
        return (await self.look(query, *arguments))[0][0]

    async def left(self) -> int:
        """How many of them the server has."""
        return int(await self.value(_COUNT, self.name))

    async def end(self) -> int:
        """End them, from here and at the server; how many there still were of those that were held."""
        held, self.held = self.held, []
        try:
            alive = await self.left() if held else 0
        finally:
            for session in held:
                session.terminate()
        await self.look(_END.format(name=self.name))
        return alive

    def close(self) -> None:
        """End the watcher: there is nothing left to see."""
        if self._watcher is not None:
            self._watcher.terminate()
            self._watcher = None


class SessionFault(Fault):
    """What faults that are made of sessions have in common: it is over when the server has none of them left."""

    target_kinds: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def __init__(self) -> None:
        self._sessions: Sessions | None = None

    def sessions(self, ctx: FaultContext) -> Sessions:
        """This fault's. Raises StackError when nobody knows how to reach the target."""
        if self._sessions is None:
            self._sessions = Sessions(ctx.planned.id, dsn_of(ctx))
        return self._sessions

    @abstractmethod
    async def before(self, ctx: FaultContext) -> Any:
        """The baseline. Its watcher does not stay: the fault may never begin."""

    async def baseline(self, ctx: FaultContext) -> Any:
        """What `before` found."""
        try:
            return await self.before(ctx)
        finally:
            self.sessions(ctx).close()

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """End the sessions by their name."""
        return self.sessions(ctx).undo()

    async def heal(self, ctx: FaultContext) -> None:
        """End the sessions."""
        sessions = self.sessions(ctx)
        were_held = len(sessions.held)
        if not await sessions.end() and were_held:
            self.has_ended_early = True  # somebody else ended them

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The server has none of the sessions left."""
        return await none_left(self.sessions(ctx))


async def none_left(sessions: Sessions) -> Evidence:
    """Wait a little until the server has none of them left; the watcher goes when that is so."""
    deadline = asyncio.get_running_loop().time() + ENDING_S
    while left := await sessions.left():
        if asyncio.get_running_loop().time() > deadline:
            return Evidence(
                False, {"sessions_left": left, "reason": f"{left} of its sessions are left"}
            )
        await asyncio.sleep(POLL_S)
    sessions.close()
    return Evidence(True, {"sessions_left": 0})


def session_name(fault: str) -> str:
    """What the sessions of a fault are called; the server cuts long names off, so those get a digest."""
    name = f"flashdrill-{fault}"
    if len(name.encode()) <= _NAME_BYTES and name.isascii() and "'" not in name:
        return name
    return f"flashdrill-{hashlib.sha256(fault.encode()).hexdigest()[:32]}"


def dsn_of(ctx: FaultContext) -> str:
    """The way to the target's database; StackError when there is none."""
    if not ctx.target.dsn:
        raise StackError(f"nobody said how to log in at {ctx.target.name}: it has no DSN")
    return ctx.target.dsn


async def connect(dsn: str, name: str, settings: dict[str, str]) -> asyncpg.Connection[Any]:
    """A session that no limit of the server's ends. Raises GONE's errors."""
    session = await _logged_in(dsn, name)
    wanted = {**_SETTINGS, **settings}
    try:
        await session.execute(_SET, list(wanted), list(wanted.values()), timeout=CONNECT_TIMEOUT_S)
    except BaseException:
        session.terminate()
        raise
    return session


async def _logged_in(dsn: str, name: str) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": name}
    )
