"""What the faults have in common after which a process is gone, until it is started again."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Reading, Seen, ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.target import required_pid, running_pid

READY_TIMEOUT_S = 30.0
POLL_S = 0.02


class ProcessGone(Fault):
    """A process that ends, and is started again when the fault's time is over. Subclasses say how it ends."""

    target_kinds = frozenset({"process"})
    heal_limit_s = READY_TIMEOUT_S + 5.0

    def __init__(self) -> None:
        self._pid: int | None = None
        self._ending: dict[str, Any] = {}

    @abstractmethod
    async def end(self, ctx: FaultContext) -> dict[str, Any]:
        """End the process, and return when it is gone; what is worth knowing about its end."""

    async def baseline(self, ctx: FaultContext) -> Reading:
        """The server's own answer."""
        return await ask(ctx.target, ctx.target.upstream)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Whoever started the process starts it again. Raises StackError when it does not run."""
        required_pid(ctx.processes, ctx.target.process_name)
        return ctx.processes.respawning(ctx.target.process_name)

    async def inject(self, ctx: FaultContext) -> None:
        """End it. Raises StackError when it does not run."""
        self._pid = required_pid(ctx.processes, ctx.target.process_name)
        self._ending = await self.end(ctx)

    async def observe(self, ctx: FaultContext, baseline: Reading) -> Evidence:
        """Until its pid is gone and its port refuses."""
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            pid = running_pid(ctx.processes, ctx.target.process_name)
            port = await ask(ctx.target, ctx.target.upstream, CANARY_TIMEOUT_S)
            is_seen = pid is None and port.seen is Seen.REFUSED and baseline.is_answered
            if is_seen or now() - began > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        return Evidence(
            is_seen,
            {
                "killed_pid": self._pid,
                "running_pid": pid,
                "port_before": str(baseline.seen),
                "port": str(port.seen),
                **self._ending,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Start it, unless something else did."""
        pid = running_pid(ctx.processes, ctx.target.process_name)
        if pid is None:
            await ctx.processes.start(ctx.target.process_name)
        elif pid == self._pid:
            self.has_ended_early = True  # it never died

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """Another process is ready and answers. Raises StackError when it does not get ready."""
        now = asyncio.get_running_loop().time
        began = now()
        await ctx.processes.wait_ready(ctx.target.process_name, READY_TIMEOUT_S)
        pid = running_pid(ctx.processes, ctx.target.process_name)
        reading = await ask(ctx.target, ctx.target.upstream)
        found: dict[str, Any] = {
            "new_pid": pid,
            "ready_after_s": round(now() - began, 3),
            "after": str(reading.seen),
        }
        return Evidence(pid not in {None, self._pid} and reading.is_answered, found)
