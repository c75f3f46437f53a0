"""A process that dies."""

from __future__ import annotations

import asyncio
from typing import Any

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Reading, Seen, ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.target import required_pid, running_pid

READY_TIMEOUT_S = 30.0
POLL_S = 0.02


class Kill(Fault):
    """SIGKILLs a process; when its time is over the process is started again.

    Seen when the pid is gone and its port refuses. The fault ends when the process is started; how long the
    process then takes to be ready is its own recovery. Healed when another pid is ready and answers.
    """

    kind = "kill"
    target_kinds = frozenset({"process"})
    heal_limit_s = READY_TIMEOUT_S + 5.0

    def __init__(self) -> None:
        self._pid: int | None = None

    async def baseline(self, ctx: FaultContext) -> Reading:
        """The server's own answer."""
        return await ask(ctx.target, ctx.target.upstream)

    async def inject(self, ctx: FaultContext) -> None:
        """Kill it. Raises StackError when it does not run."""
        self._pid = required_pid(ctx.processes, ctx.target.name)
        await ctx.processes.kill(ctx.target.name)

    async def observe(self, ctx: FaultContext, baseline: Reading) -> Evidence:
        """Until its pid is gone and its port refuses."""
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            pid = running_pid(ctx.processes, ctx.target.name)
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
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Start it, unless something else did."""
        if self._pid is None:
            return
        pid = running_pid(ctx.processes, ctx.target.name)
        if pid is None:
            await ctx.processes.start(ctx.target.name)
        elif pid == self._pid:
            self.has_ended_early = True  # it never died

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """Another pid is ready and answers. Raises StackError when it does not become ready."""
        if self._pid is None:
            return Evidence(True, {"reason": "it was never killed"})
        now = asyncio.get_running_loop().time
        began = now()
        await ctx.processes.wait_ready(ctx.target.name, READY_TIMEOUT_S)
        pid = running_pid(ctx.processes, ctx.target.name)
        reading = await ask(ctx.target, ctx.target.upstream)
        found: dict[str, Any] = {
            "new_pid": pid,
            "ready_after_s": round(now() - began, 3),
            "after": str(reading.seen),
        }
        return Evidence(pid not in {None, self._pid} and reading.is_answered, found)
