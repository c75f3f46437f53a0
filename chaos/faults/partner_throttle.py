"""This order system's own fault: the payment provider's callbacks are throttled on their way in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault
from flashdrill.chaos.http_status import checked_status, status_before
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import MOST_CANARIES, Route
from flashdrill.errors import ConfigError

CALLBACKS = Route(path="/payments/callback", method="POST")
ROUNDS = 3
"""In how many rounds the canaries alone use up the limit."""


class PartnerThrottle(HttpFault):
    """Lets `limit` payment callbacks in each `period` through and answers the others `status`, without forwarding
    them.

    A partner's gateway that protects itself: 408 says nothing about the payment, and the provider must come again.
    Seen when an unsigned canary callback gets the status, while the service itself refuses it (401); the canaries
    count toward the limit. Healed when canaries reach the service again.
    """

    kind = "partner_throttle"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "limit": Parameter(
            "int", description="how many callbacks are let through in a period", least=1
        ),
        "period": Parameter("duration", 60.0, "how long a period is", "s"),
        "status": Parameter(
            "int", 408, "what the others are answered, 400 to 599", least=400, most=599
        ),
    }

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The callbacks."""
        return CALLBACKS

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A limit."""
        if not parameters["period"]:
            raise ConfigError("a period is more than 0 s", remedy="say period: 60s")
        return {
            "action": "throttle",
            "limit": parameters["limit"],
            "period_s": parameters["period"],
            "status": checked_status(parameters["status"]),
        }

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A canary that got that status anyway shows nothing."""
        return status_before(parameters["status"], before)

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """The first ones pass."""
        return False

    def canaries(self, parameters: Mapping[str, Any]) -> int:
        """Enough to reach the limit in a few rounds."""
        limit: int = parameters["limit"]
        return min(MOST_CANARIES, math.ceil((limit + 1) / ROUNDS))

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """The status, and only through the edge."""
        return answer.is_answered and answer.status == parameters["status"] != control.status
