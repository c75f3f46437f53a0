"""A process that dies."""

from __future__ import annotations

from typing import Any

from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.process_gone import ProcessGone


class Kill(ProcessGone):
    """SIGKILLs a process; when its time is over the process is started again.

    Seen when the pid is gone and its port refuses. The fault ends when the process is started; how long the
    process then takes to be ready is its own recovery. Healed when another pid is ready and answers.
    """

    kind = "kill"

    async def end(self, ctx: FaultContext) -> dict[str, Any]:
        """Kill it."""
        await ctx.processes.kill(ctx.target.process_name)
        return {}
