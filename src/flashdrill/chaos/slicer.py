"""Data in small pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos import bulk
from flashdrill.chaos.canary import Reading, Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import RISE_SHARE, Comparison
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import COMMON, LONGEST_CANARY_S, ToxicFault

PIECES = 40
LEAST_BYTES, MOST_BYTES = 2_000, 64_000
LEAST_RISE_S = 0.020


class Slicer(ToxicFault):
    """Cuts data into pieces of `average_size` ± `size_variation` bytes, `delay` apart.

    Seen by the time that the delays take; without much delay, by a transfer that arrives in many more pieces.
    """

    kind = "slicer"
    slows = True
    toxic = "slicer"
    canaries = 1
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "average_size": Parameter(
            "int", description="the size of a piece, on average", unit="bytes"
        ),
        "size_variation": Parameter("int", 0, "how much smaller or larger a piece may be", "bytes"),
        "delay": Parameter("duration", 0.0, "the pause between two pieces", "s"),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Bytes and microseconds."""
        return {
            "average_size": int(parameters["average_size"]),
            "size_variation": int(parameters["size_variation"]),
            "delay": round(parameters["delay"] * 1e6),
        }

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """All delays of a transfer; halving makes up to twice as many pieces as the average says."""
        return min(2 * _delays_s(parameters, _size(parameters)), LONGEST_CANARY_S)

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """One transfer."""
        return await bulk.transfer(ctx.target, address, _size(ctx.parameters), timeout_s)

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """It took the time of the delays, or came in pieces."""
        before = seen.baseline.path
        moved = before.received if ctx.parameters["stream"] == "downstream" else before.sent
        needed_s = _delays_s(ctx.parameters, moved)
        if needed_s >= LEAST_RISE_S:
            is_slow = seen.rise_s() >= RISE_SHARE * needed_s
            return is_slow and seen.reading.seen in {Seen.ANSWERED, Seen.SILENT}
        return before.reads > 0 and seen.reading.reads >= 3 * max(before.reads, seen.control.reads)


def _size(parameters: Mapping[str, Any]) -> int:
    return max(LEAST_BYTES, min(PIECES * int(parameters["average_size"]), MOST_BYTES))


def _delays_s(parameters: Mapping[str, Any], moved: int) -> float:
    pieces = moved / max(1, parameters["average_size"] + parameters["size_variation"])
    return float(max(0.0, pieces - 1) * parameters["delay"])
