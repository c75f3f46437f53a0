"""A process that stands still."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import psutil

from flashdrill.chaos.canary import Reading, Seen, ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.target import required_pid, running_pid

SILENCE_S = 0.3
POLL_S = 0.02


class Pause(Fault):
    """SIGSTOPs a process, SIGCONTs it when its time is over.

    Seen when the kernel calls it stopped, and a canary past the proxy is accepted but not answered.
    """

    kind = "pause"
    target_kinds = frozenset({"process"})

    def __init__(self) -> None:
        self._pid: int | None = None

    async def baseline(self, ctx: FaultContext) -> Reading:
        """The server's own answer."""
        return await ask(ctx.target, ctx.target.upstream)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """SIGCONT to the pid. Raises StackError when it does not run."""
        self._pid = required_pid(ctx.processes, ctx.target.name)
        return {"type": "sigcont", "pid": self._pid}

    async def inject(self, ctx: FaultContext) -> None:
        """Stop it."""
        await ctx.processes.signal(ctx.target.name, signal.SIGSTOP)

    async def observe(self, ctx: FaultContext, baseline: Reading) -> Evidence:
        """Until it stands still and is silent."""
        now = asyncio.get_running_loop().time
        began = now()
        silence_s = max(SILENCE_S, 10 * baseline.waited_s)
        while True:
            reading = await ask(ctx.target, ctx.target.upstream, silence_s)
            is_silent = reading.seen is Seen.SILENT and baseline.is_answered
            is_seen = is_silent and _is_stopped(self._pid)
            if is_seen or now() - began + silence_s > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        return Evidence(
            is_seen,
            {
                "pid": self._pid,
                "is_stopped": _is_stopped(self._pid),
                "baseline_ms": round(baseline.waited_s * 1000, 3),
                "during": str(reading.seen),
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Let it go on; nothing to do when it is gone."""
        if running_pid(ctx.processes, ctx.target.name) != self._pid or self._pid is None:
            return
        await ctx.processes.signal(ctx.target.name, signal.SIGCONT)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """It runs and answers."""
        while True:
            reading = await ask(ctx.target, ctx.target.upstream)
            is_free = not _is_stopped(self._pid)
            if is_free and (reading.is_answered or ctx.others_in_force()):
                return Evidence(True, {"after": str(reading.seen)})
            await asyncio.sleep(POLL_S)


def _is_stopped(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False
