"""Answers (or requests) arrive later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.proof import RISE_SHARE, Comparison
from flashdrill.chaos.toxic import COMMON, ToxicFault, milliseconds


class Latency(ToxicFault):
    """Delays each chunk by `latency` ± `jitter`.

    Seen when canaries take at least 70 % of the latency longer than before and than past the proxy.
    """

    kind = "latency"
    slows = True
    toxic = "latency"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "latency": Parameter("duration", description="the delay", unit="s"),
        "jitter": Parameter("duration", 0.0, "the delay varies by this much either way", "s"),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Milliseconds."""
        return {name: milliseconds(parameters[name]) for name in ("latency", "jitter")}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The longest one."""
        return float(parameters["latency"] + parameters["jitter"])

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """With jitter some canaries are quicker."""
        return super().is_every(parameters) and not parameters["jitter"]

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """It took longer, whether the answer came or is still to come."""
        is_slow = seen.rise_s() >= max(RISE_SHARE * ctx.parameters["latency"], 0.001)
        return is_slow and seen.reading.seen in {Seen.ANSWERED, Seen.SILENT}
