"""A narrow path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos import bulk
from flashdrill.chaos.canary import Reading, Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import RISE_SHARE, Comparison
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import COMMON, ToxicFault

WANTED_S = 0.3
"""What moving the canary's bytes should take."""
LEAST_BYTES, MOST_BYTES = 2_000, 256_000
LEAST_RISE_S = 0.010
"""Less is lost in the noise: the fault stays unproven."""
STALLED_S = 0.5


class Bandwidth(ToxicFault):
    """Lets `rate_kb` kilobytes a second through; 0 stalls.

    Seen when a transfer takes at least 70 % of the time that the rate asks for longer than before.
    """

    kind = "bandwidth"
    slows = True
    toxic = "bandwidth"
    canaries = 1
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate_kb": Parameter(
            "int", description="how many kilobytes (1,000 bytes) a second pass", unit="KB/s"
        ),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """KB a second."""
        return {"rate": int(parameters["rate_kb"])}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The time of the transfer."""
        rate = parameters["rate_kb"] * 1000
        return float(_size(parameters) / rate) if rate else STALLED_S

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """One transfer."""
        return await bulk.transfer(ctx.target, address, _size(ctx.parameters), timeout_s)

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """It took longer by what the bytes that move that way need."""
        before = seen.baseline.path
        moved = before.received if ctx.parameters["stream"] == "downstream" else before.sent
        rate = ctx.parameters["rate_kb"] * 1000
        needed_s = moved / rate if rate else STALLED_S
        is_slow = seen.rise_s() >= max(RISE_SHARE * needed_s, LEAST_RISE_S)
        return is_slow and seen.reading.seen in {Seen.ANSWERED, Seen.SILENT}


def _size(parameters: Mapping[str, Any]) -> int:
    wanted = int(parameters["rate_kb"] * 1000 * WANTED_S)
    return max(LEAST_BYTES, min(wanted, MOST_BYTES))
