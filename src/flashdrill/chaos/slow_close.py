"""Connections that take long to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Reading, Seen, converse
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import RISE_SHARE, Comparison
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import COMMON, ToxicFault, milliseconds
from flashdrill.chaos.wire import Wire


class SlowClose(ToxicFault):
    """Delays the end of each connection by `delay`.

    Seen when a connection that the canary ends at once is closed by the other side later than before.
    """

    kind = "slow_close"
    slows = True
    toxic = "slow_close"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "delay": Parameter(
            "duration", description="how long the end of a connection is delayed", unit="s"
        ),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Milliseconds."""
        return {"delay": milliseconds(parameters["delay"])}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The delay."""
        return float(parameters["delay"])

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """How long an end takes to come back."""
        return await converse(address, _end, timeout_s)

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """The end came later, or is still to come."""
        is_slow = seen.rise_s() >= max(RISE_SHARE * ctx.parameters["delay"], 0.001)
        return is_slow and seen.reading.seen in {Seen.ANSWERED, Seen.SILENT}


async def _end(wire: Wire) -> bool:
    """End the stream without a word and wait for the other side's end."""
    wire.end()
    while await wire.receive():
        pass
    return True
