"""Connections cut with RST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import Comparison
from flashdrill.chaos.toxic import COMMON, ToxicFault, milliseconds


class ResetPeer(ToxicFault):
    """Resets each connection `timeout` after its first data.

    Seen when new connections end in ECONNRESET. (The real server sends FIN on connections that were open before.)
    """

    kind = "reset_peer"
    toxic = "reset_peer"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "timeout": Parameter("duration", 0.0, "the time from the first data to the reset", "s"),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Milliseconds."""
        return {"timeout": milliseconds(parameters["timeout"])}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """Until the reset."""
        return float(parameters["timeout"])

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """ECONNRESET, though the server answers."""
        return seen.control.is_answered and seen.reading.seen is Seen.RESET
