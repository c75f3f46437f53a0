"""This order system's own fault: payment callbacks that come late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_delay import is_late
from flashdrill.chaos.http_rule import HttpFault
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import SHARE, Route


class LateCallbacks(HttpFault):
    """Holds `share` of the payment callbacks for `delay` before the service hears of them.

    Customers have paid meanwhile, and the service does not know. Seen when unsigned canary callbacks are refused
    (401) at least 70 % of the delay later than before and than past the edge.
    """

    kind = "late_callbacks"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "delay": Parameter("duration", description="how long a callback is held", unit="s"),
        "share": SHARE,
    }

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The callbacks."""
        return Route(path="/payments/callback", method="POST", share=parameters["share"])

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A delay in front of the service."""
        return {"action": "delay", "delay_s": parameters["delay"]}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The delay."""
        return float(parameters["delay"])

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """It took longer, whether the answer came or is still to come."""
        return is_late(parameters["delay"], answer, control, before)
