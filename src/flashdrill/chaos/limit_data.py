"""Connections that end after so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos import bulk
from flashdrill.chaos.canary import Reading, Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import Comparison
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import COMMON, ToxicFault

BEYOND_BYTES = 4_096


class LimitData(ToxicFault):
    """Closes each connection when `bytes` bytes have passed.

    Seen when a transfer of more than that is cut off, while the same one past the proxy is complete.
    """

    kind = "limit_data"
    toxic = "limit_data"
    canaries = 1
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "bytes": Parameter(
            "int", description="how many bytes a connection lets through", unit="bytes"
        ),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Bytes."""
        return {"bytes": int(parameters["bytes"])}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """It does not delay."""
        return 0.0

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """A transfer beyond the limit."""
        size = int(ctx.parameters["bytes"]) + BEYOND_BYTES
        return await bulk.transfer(ctx.target, address, size, timeout_s)

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """It was cut off."""
        return seen.control.is_answered and seen.reading.seen in {Seen.CLOSED, Seen.RESET}
