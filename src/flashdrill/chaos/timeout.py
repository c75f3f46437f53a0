"""Connections that are accepted and never answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import RISE_SHARE, Baseline, Comparison
from flashdrill.chaos.toxic import COMMON, ToxicFault, milliseconds

LEAST_SILENCE_S = 0.3
MOST_SILENCE_S = 2.0
USUAL_ANSWERS = 10


class Timeout(ToxicFault):
    """Drops all data, and closes the connection after `timeout`; 0 never closes: a black hole.

    Seen when canaries that connected get nothing for ten times their usual wait (0.3 to 2 s), or are closed on
    when `timeout` says, while the same question past the proxy is answered.
    """

    kind = "timeout"
    toxic = "timeout"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "timeout": Parameter(
            "duration", 0.0, "how long until the connection is closed; 0s: never", "s"
        ),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Milliseconds."""
        return {"timeout": milliseconds(parameters["timeout"])}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """Until it closes."""
        return float(parameters["timeout"])

    def patience_s(self, ctx: FaultContext, baseline: Baseline) -> float:
        """Silence is long when nothing closes the connection."""
        if ctx.parameters["timeout"]:
            return super().patience_s(ctx, baseline)
        return silence_s(baseline) + 0.01

    def expected_s(self, ctx: FaultContext, baseline: Baseline) -> float:
        """Until it is closed, or silent for long enough."""
        return (
            super().expected_s(ctx, baseline) if ctx.parameters["timeout"] else silence_s(baseline)
        )

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """Nothing came, though the server answers."""
        if not seen.control.is_answered:
            return False
        if seen.reading.seen is Seen.SILENT:
            return seen.reading.waited_s >= silence_s(seen.baseline)
        timeout_s = ctx.parameters["timeout"]
        is_cut = seen.reading.seen in {Seen.CLOSED, Seen.RESET} and not seen.reading.received
        return bool(timeout_s) and is_cut and seen.reading.waited_s >= RISE_SHARE * timeout_s


def silence_s(baseline: Baseline) -> float:
    """How long nothing must come before it counts as silence."""
    usual_s = USUAL_ANSWERS * baseline.path.waited_s
    return min(max(usual_s, LEAST_SILENCE_S), MOST_SILENCE_S)
