"""A process that is restarted in an orderly way, as at a deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.course import INJECT_TIMEOUT_S
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.process_gone import ProcessGone
from flashdrill.errors import ConfigError

LONGEST_GRACE_S = INJECT_TIMEOUT_S - 2.0


class Restart(ProcessGone):
    """Stops a process in an orderly way, as a deployment does; what has not ended after `grace` is killed.

    It is started again when the fault's time is over. Seen when the pid is gone and its port refuses; the evidence
    says how long it took to end, and its exit status. Healed when another pid is ready and answers.
    """

    kind = "restart"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "grace": Parameter(
            "duration", 5.0, "how long it may take to end before it is killed; at most 8 s", "s"
        ),
    }

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Whoever started the process starts it again. Raises ConfigError, StackError."""
        if ctx.parameters["grace"] > LONGEST_GRACE_S:
            raise ConfigError(f"fault {ctx.planned.id!r}: grace is at most {LONGEST_GRACE_S:g} s")
        return super().undo(ctx)

    async def end(self, ctx: FaultContext) -> dict[str, Any]:
        """Ask it to end; its status (negative: the signal that ended it) and how long it took."""
        now = asyncio.get_running_loop().time
        began = now()
        status = await ctx.processes.stop(ctx.target.process_name, ctx.parameters["grace"])
        ended_after_s = round(now() - began, 3)
        return {
            "exit_status": status if isinstance(status, int) else None,
            "ended_after_s": ended_after_s,
        }
