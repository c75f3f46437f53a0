"""An index that is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import asyncpg

from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.index import Index, described, plan_of_lookup, scan_counters
from flashdrill.chaos.session import POLL_S, STATEMENT_TIMEOUT_S, SessionFault
from flashdrill.errors import StackError

DROP_LOCK_TIMEOUT_S = 0.5
"""How long customers wait behind a drop that waits for its lock; then it steps back and tries again."""
DROP_LIMIT_S = 8.0
BUILD_LOCK_TIMEOUT_S = 5.0
BUILD_TIMEOUT_S = 58.0


class DroppedIndex(SessionFault):
    """Drops an index (none that keeps rows unique or backs a constraint) and builds it again as it was.

    The drop needs its table for itself for a moment, and steps back every half second until it gets it. Building is
    done CONCURRENTLY: customers go on writing meanwhile, where a plain CREATE INDEX would hold them up (SHARE lock)
    for as long as it takes; what a broken build leaves is dropped before the next try. The journal has the plain one:
    it is a single step, and after the harness died there are no customers.

    Seen when the server has neither the index nor a counter of its scans, and the plan of a look-up by its leading
    column does not name it. Healed when the index is valid and its definition is the same, word for word.
    """

    kind = "dropped_index"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "index": Parameter("text", description="the index, as SQL names it: by_user, shop.by_user"),
    }
    heal_limit_s = 60.0  # an index of a few million rows takes half a minute to build

    def __init__(self) -> None:
        super().__init__()
        self._index: Index | None = None
        self._is_dropped = False

    async def before(self, ctx: FaultContext) -> list[str]:
        """The plan of a look-up. Raises StackError when there is no such index, or it must not be dropped."""
        sessions = self.sessions(ctx)
        self._index = await described(sessions, ctx.parameters["index"])
        return await self._plan(ctx, self._known(ctx))

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The statements that make it again. Raises StackError when it must not be dropped."""
        statements = self._known(ctx).restoring()
        return {"type": "sql", "dsn": ctx.target.dsn, "statements": statements}

    async def inject(self, ctx: FaultContext) -> None:
        """Drop it. Raises asyncpg's LockNotAvailableError when its table was never free."""
        index = self._known(ctx)
        session = await self.sessions(ctx).open(lock_timeout=f"{DROP_LOCK_TIMEOUT_S:g}s")
        now = asyncio.get_running_loop().time
        deadline = now() + DROP_LIMIT_S
        while not self._is_dropped:
            try:
                await session.execute(index.drop, timeout=STATEMENT_TIMEOUT_S)
                self._is_dropped = True
            except asyncpg.LockNotAvailableError:
                if now() > deadline:
                    raise
                await asyncio.sleep(POLL_S)
        await self.sessions(ctx).end()

    async def observe(self, ctx: FaultContext, baseline: list[str]) -> Evidence:
        """Once: it is gone or it is not."""
        sessions, index = self.sessions(ctx), self._known(ctx)
        there = await described(sessions, index.name)
        counters = await scan_counters(sessions, index)
        plan = await self._plan(ctx, index)
        is_named = any(_names(index, step) for step in plan)
        return Evidence(
            there is None and not counters and not is_named,
            {
                "index": index.name,
                "is_there": there is not None,
                "scan_counters": counters,
                "look_up_before": baseline,
                "look_up": plan,
                "was_used_before": any(_names(index, step) for step in baseline or []),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Build it, unless it is there. Raises asyncpg's errors; what a broken build leaves goes with the next try."""
        sessions, index = self.sessions(ctx), self._known(ctx)
        await sessions.end()
        there = await described(sessions, index.name)
        if there is not None and there.is_valid:
            self.has_ended_early |= self._is_dropped
            return
        self._is_dropped = False
        session = await sessions.open(lock_timeout=f"{BUILD_LOCK_TIMEOUT_S:g}s")
        await session.execute(index.forget_half)
        await session.execute(index.create("CONCURRENTLY"), timeout=BUILD_TIMEOUT_S)
        if index.comment:
            await session.execute(index.comment)
        await sessions.end()

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """It is there, valid, and defined as before."""
        sessions, index = self.sessions(ctx), self._known(ctx)
        there = await described(sessions, index.name)
        if there is None:
            return Evidence(False, {"reason": f"{index.name} is not there"})
        if not there.is_valid:
            return Evidence(False, {"reason": f"{index.name} is not valid"})
        if there.definition != index.definition:
            return Evidence(False, {"reason": f"it is now {there.definition}"})
        found = {"definition": there.definition, "look_up": await self._plan(ctx, index)}
        gone = await super().verify_healed(ctx)
        return Evidence(gone.observed, {**found, **gone.measurements})

    def _known(self, ctx: FaultContext) -> Index:
        name = ctx.parameters["index"]
        if self._index is None:
            raise StackError(f"{ctx.target.name} was not seen to have an index {name!r}")
        if self._index.why_not:
            raise StackError(f"{self._index.name} must not be dropped: {self._index.why_not}")
        return self._index

    async def _plan(self, ctx: FaultContext, index: Index) -> list[str]:
        sessions = self.sessions(ctx)
        await sessions.look("SET enable_seqscan = off")
        return await plan_of_lookup(sessions, index)


def _names(index: Index, step: str) -> bool:
    """Whether a step of a plan uses the index."""
    return step.partition(" using ")[2] == index.bare_name
