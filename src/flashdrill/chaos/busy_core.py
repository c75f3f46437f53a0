"""Cores that somebody else keeps busy."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import psutil

from flashdrill.chaos import spinning
from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.target import running_pid
from flashdrill.errors import ConfigError, StackError
from flashdrill.model.processes import identity, is_same

LOOK_S = 0.25
WANTED_SHARE = 0.5
"""Of a core, by each helper."""
CONTESTED_SHARE, CONTESTED_BUSY = 0.1, 0.95
"""What is enough where others want the core too: a tenth, and nothing of the core is left."""
_WORK = ("user", "nice", "system", "irq", "softirq", "steal")
MARGIN_S = 30.0
"""How much longer than the fault a helper lives when nobody ends it."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A process of ours; `who` is its identity."""

    name: str
    core: int
    who: dict[str, Any]


class BusyCore(Fault):
    """Keeps cores of the machine busy with processes of its own, pinned to them: a neighbour who takes processor time.

    The first core is the one where the target's process ran last, unless `core` says another. Seen when each of the
    processes takes at least half of its core; where others want that core too, a tenth of it with nothing left idle.
    Healed when none of them runs. They end with the harness, and by themselves 30 s after the fault's time.
    """

    kind = "busy_core"
    slows = True
    target_kinds = frozenset({"process"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "cores": Parameter("int", 1, "how many", least=1),
        "core": Parameter(
            "text", "", "the number of the first one; empty: where the target's process ran last"
        ),
    }

    def __init__(self) -> None:
        self._cores: list[int] = []
        self._helpers: list[Helper] = []
        self._is_injected = False

    async def baseline(self, ctx: FaultContext) -> list[float]:
        """How busy the cores are, as shares. Raises ConfigError, StackError."""
        self._cores = _choose(ctx)
        before = _times(self._cores)
        await asyncio.sleep(LOOK_S)
        return _busy_shares(before, _times(self._cores))

    async def inject(self, ctx: FaultContext) -> None:
        """Start the helpers. Raises ConfigError, StackError."""
        life_s = f"{ctx.planned.duration_s + MARGIN_S:.0f}"
        for core in self._cores or _choose(ctx):
            name = f"{ctx.planned.id}-core{core}"
            argv = [sys.executable, "-I", "-S", spinning.__file__, str(core), life_s]
            pid = await ctx.processes.spawn_helper(name, argv)
            self._helpers.append(Helper(name, core, identity(pid)))
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: list[float]) -> Evidence:
        """Look again and again at the processor time that each helper and its core used."""
        now = asyncio.get_running_loop().time
        began = now()
        cores = [helper.core for helper in self._helpers]
        taken: list[float] = []
        busy: list[float] = []
        is_seen = False
        while not is_seen and now() - began + LOOK_S < ctx.observe_s:
            since, used, load = now(), self._used_s(), _times(cores)
            await asyncio.sleep(LOOK_S)
            window_s = now() - since
            taken = [
                (late - early) / window_s for early, late in zip(used, self._used_s(), strict=True)
            ]
            busy = _busy_shares(load, _times(cores))
            is_seen = bool(taken) and all(map(_is_taken, taken, busy))
        return Evidence(
            is_seen,
            {
                "cores": cores,
                "taken_shares": [round(share, 3) for share in taken],
                "busy_shares_before": [round(share, 3) for share in baseline],
                "busy_shares": [round(share, 3) for share in busy],
                "pids": [helper.who["pid"] for helper in self._helpers],
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """End the helpers."""
        for helper in self._helpers:
            if running_pid(ctx.processes, helper.name) is not None:
                await ctx.processes.kill(helper.name)
            elif self._is_injected:
                self.has_ended_early = True
        self._is_injected = False

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """None of them runs."""
        left = [helper.who["pid"] for helper in self._helpers if is_same(helper.who)]
        if left:
            return Evidence(False, {"reason": f"still running: {left}"})
        return Evidence(True, {"helpers_left": 0})

    def _used_s(self) -> list[float]:
        return [_cpu_s(helper.who) for helper in self._helpers]


def _choose(ctx: FaultContext) -> list[int]:
    """The cores: the first one, then the others that this process may use, in order."""
    allowed = sorted(os.sched_getaffinity(0))
    count = int(ctx.parameters["cores"])
    if not 0 < count <= len(allowed):
        raise ConfigError(
            f"fault {ctx.planned.id!r}: cores is from 1 to {len(allowed)}, not {count}"
        )
    first = _first(ctx, allowed)
    return [first, *(core for core in allowed if core != first)][:count]


def _first(ctx: FaultContext, allowed: Sequence[int]) -> int:
    wanted = str(ctx.parameters["core"])
    if wanted:
        if not wanted.isdigit() or int(wanted) not in allowed:
            there = ", ".join(map(str, allowed))
            raise ConfigError(f"fault {ctx.planned.id!r}: core is one of {there}, not {wanted!r}")
        return int(wanted)
    pid = running_pid(ctx.processes, ctx.target.process_name)
    if pid is None:
        raise StackError(f"{ctx.target.process_name} does not run, so it is on no core")
    core = int(psutil.Process(pid).cpu_num())
    return core if core in allowed else allowed[0]


def _is_taken(taken: float, busy: float) -> bool:
    return taken >= WANTED_SHARE or (taken >= CONTESTED_SHARE and busy >= CONTESTED_BUSY)


def _times(cores: Sequence[int]) -> list[tuple[float, float]]:
    """The seconds that each core has worked, and idled, since the machine started."""
    times = psutil.cpu_times(percpu=True)
    worked = [sum(getattr(times[core], what, 0.0) for what in _WORK) for core in cores]
    idled = [times[core].idle + getattr(times[core], "iowait", 0.0) for core in cores]
    return list(zip(worked, idled, strict=True))


def _busy_shares(
    before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]
) -> list[float]:
    """The share of the time between that each core worked."""
    shares = []
    for (worked_then, idled_then), (worked, idled) in zip(before, after, strict=True):
        passed = max(worked - worked_then + idled - idled_then, 1e-9)
        shares.append((worked - worked_then) / passed)
    return shares


def _cpu_s(who: dict[str, Any]) -> float:
    """The processor time of a process; 0 when it is gone."""
    if not is_same(who):
        return 0.0
    try:
        spent = psutil.Process(who["pid"]).cpu_times()
    except psutil.Error:
        return 0.0
    return float(spent.user + spent.system)
