"""A port that nobody listens at any more, with the connections of before still open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.edge_rule import EdgeFault
from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.proof import Comparison


class ConnectionRefused(EdgeFault):
    """Closes the listener: new connections get ECONNREFUSED, those that are open go on (`down` ends them too).

    What a server shows whose backlog is gone, or a deployment that takes the old instance off its port first. Seen
    when canaries are refused while the server is answered past the edge. Healed when the same port is open again.
    """

    kind = "connection_refused"

    def rule(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """No listener."""
        return {"action": "refuse"}

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """Refused, though the server answers."""
        return seen.reading.seen is Seen.REFUSED and seen.control.is_answered
