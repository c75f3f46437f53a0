"""A process that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any

import psutil

from flashdrill.chaos.canary import Reading, Seen, ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.target import required_pid
from flashdrill.model.processes import identity, is_same

SILENCE_S = 0.3
POLL_S = 0.02


class Pause(Fault):
    """SIGSTOPs a process and all below it (PostgreSQL works in children), SIGCONTs them when its time is over.

    Seen when the kernel calls every one of them stopped, and a canary past the proxy is accepted but not answered.
    Healed when none of them is stopped and the server answers.
    """

    kind = "pause"
    slows = True
    target_kinds = frozenset({"process"})

    def __init__(self) -> None:
        self._family: list[dict[str, Any]] = []

    async def baseline(self, ctx: FaultContext) -> Reading:
        """The server's own answer."""
        return await ask(ctx.target, ctx.target.upstream)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """SIGCONT to each of them. Raises StackError when it does not run."""
        self._family = _family(required_pid(ctx.processes, ctx.target.process_name))
        steps = [{"type": "sigcont", **member} for member in self._family]
        return steps[0] if len(steps) == 1 else {"type": "all", "steps": steps}

    async def inject(self, ctx: FaultContext) -> None:
        """Stop them, the parent first: it must not see that its children stand still."""
        await ctx.processes.signal(ctx.target.process_name, signal.SIGSTOP)
        for child in self._family[1:]:
            _send(child, signal.SIGSTOP)

    async def observe(self, ctx: FaultContext, baseline: Reading) -> Evidence:
        """Until they stand still and it is silent."""
        now = asyncio.get_running_loop().time
        began = now()
        silence_s = max(SILENCE_S, 10 * baseline.waited_s)
        while True:
            reading = await ask(ctx.target, ctx.target.upstream, silence_s)
            is_silent = reading.seen is Seen.SILENT and baseline.is_answered
            living = [member for member in self._family if is_same(member)]
            stopped = [member["pid"] for member in living if _is_stopped(member)]
            is_seen = is_silent and bool(stopped) and len(stopped) == len(living)
            if is_seen or now() - began + silence_s > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        return Evidence(
            is_seen,
            {
                "pid": self._family[0]["pid"],
                "processes": len(living),
                "stopped": len(stopped),
                "baseline_ms": round(baseline.waited_s * 1000, 3),
                "during": str(reading.seen),
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Let them go on, the children first; nothing to do for one that is gone."""
        for member in reversed(self._family):
            _send(member, signal.SIGCONT)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """None is stopped, and it answers."""
        stopped = [member["pid"] for member in self._family if _is_stopped(member)]
        if stopped:
            return Evidence(False, {"reason": f"still stopped: {stopped}"})
        reading = await ask(ctx.target, ctx.target.upstream)
        found = {"after": str(reading.seen)}
        if not reading.is_answered and not ctx.others_in_force():
            return Evidence(False, {"reason": f"it does not answer: {reading.seen}", **found})
        return Evidence(True, found)


def _family(pid: int) -> list[dict[str, Any]]:
    """The process and all below it."""
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(pid).children(recursive=True)
    return [identity(member) for member in (pid, *(child.pid for child in children))]


def _send(member: dict[str, Any], signum: int) -> None:
    """Signal a process, unless it is gone. Raises PermissionError."""
    if is_same(member):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member["pid"], signum)


def _is_stopped(member: dict[str, Any]) -> bool:
    if not is_same(member):
        return False
    try:
        return bool(psutil.Process(member["pid"]).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False
