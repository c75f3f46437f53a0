"""A server whose connections are all taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import ClassVar

import asyncpg

from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.session import GONE, POLL_S, SessionFault, Sessions
from flashdrill.errors import StackError

AT_ONCE = 8
"""Logins in flight while the slots are taken."""
KEEPING_S = 0.1
"""How often it is looked for slots that became free."""
PROBES = 3
"""Logins that must be refused."""

_SERVER = (
    "SELECT current_setting('max_connections')::int, "
    "current_setting('superuser_reserved_connections')::int, rolsuper "
    "FROM pg_roles WHERE rolname = current_user"
)
_IN_USE = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class ConnectionsTaken(SessionFault):
    """Opens sessions at the server until it refuses them, gives `leave` of them back, and takes slots that become
    free later; who is connected stays connected. A superuser's sessions take the reserved slots too.

    Seen when logins are refused with 53300 (too many clients), all but `leave` of them, while pg_stat_activity counts
    the fault's sessions. Healed when none of them is left and a login works.
    """

    kind = "connections_taken"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "leave": Parameter("int", 0, "how many slots stay free", "sessions"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._keeper: asyncio.Task[None] | None = None

    async def before(self, ctx: FaultContext) -> bool:
        """Whether a login works."""
        return await _login(self.sessions(ctx)) == ""

    async def inject(self, ctx: FaultContext) -> None:
        """Take every slot. Raises StackError when the server let nobody in, or did not come to refuse."""
        sessions, leave = self.sessions(ctx), ctx.parameters["leave"]
        await sessions.left()  # the watcher is in before the door shuts
        await _take_all(sessions)
        capacity = int(await sessions.value(_IN_USE))
        for session in sessions.held[:leave]:
            session.terminate()
        del sessions.held[:leave]
        if not sessions.held:
            raise StackError(f"{ctx.target.name} had no more than {leave} slots to take")
        self._keeper = asyncio.create_task(_keep(sessions, capacity, leave))

    async def observe(self, ctx: FaultContext, baseline: bool) -> Evidence:
        """Logins until all but `leave` of them are refused."""
        sessions, leave = self.sessions(ctx), ctx.parameters["leave"]
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            refusals = await _logins(sessions, leave + PROBES)
            own = await sessions.left()
            is_shut = refusals.count(asyncpg.TooManyConnectionsError.sqlstate) >= PROBES
            is_seen = baseline and is_shut and own > 0
            if is_seen or now() - began > ctx.observe_s - POLL_S:
                break
            await asyncio.sleep(POLL_S)
        most, reserved, is_superuser = (await sessions.look(_SERVER))[0]
        return Evidence(
            is_seen,
            {
                "logins_tried": len(refusals),
                "logins_refused": len(refusals) - refusals.count(""),
                "refused_with": sorted(set(refusals) - {""}),
                "sessions_taken": own,
                "max_connections": most,
                "reserved_for_superusers": reserved,
                "is_superuser": is_superuser,
                "login_worked_before": baseline,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Stop taking slots and give all of them back."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        await super().heal(ctx)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """None of its sessions is left, and a login works (unless another fault is in force on the server)."""
        sessions = self.sessions(ctx)
        refusal = await _login(sessions)
        if refusal and not ctx.others_in_force():
            return Evidence(False, {"reason": f"a login is refused with {refusal}"})
        gone = await super().verify_healed(ctx)
        return Evidence(gone.observed, {**gone.measurements, "login": refusal or "works"})


async def _take_all(sessions: Sessions) -> None:
    """Log in until one login is refused for want of a slot. Raises what else a login can raise."""
    while True:
        outcomes = await asyncio.gather(
            *(sessions.open() for _ in range(AT_ONCE)), return_exceptions=True
        )
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for error in errors:
            if not isinstance(error, asyncpg.TooManyConnectionsError):
                raise error
        if errors:
            return


async def _keep(sessions: Sessions, capacity: int, leave: int) -> None:
    """Take what becomes free, beyond what is to be left, until cancelled."""
    while True:
        await asyncio.sleep(KEEPING_S)
        with contextlib.suppress(*GONE):  # such as: no slot is free
            while not leave or capacity - int(await sessions.value(_IN_USE)) > leave:
                await sessions.open()


async def _logins(sessions: Sessions, count: int) -> list[str]:
    """The SQLSTATE of each of so many logins at the same time; empty: it was let in."""
    async with asyncio.TaskGroup() as group:
        together = asyncio.Barrier(count)
        tasks = [group.create_task(_login(sessions, together)) for _ in range(count)]
    return [task.result() for task in tasks]


async def _login(sessions: Sessions, together: asyncio.Barrier | None = None) -> str:
    """Why a login was refused; empty: it was let in. Nobody leaves before all have come."""
    session, refusal = None, ""
    try:
        session = await sessions.plain()
    except GONE as error:
        refusal = getattr(error, "sqlstate", "") or type(error).__name__
    try:
        if together is not None:
            await together.wait()
    finally:
        if session is not None:
            session.terminate()
    return refusal
