"""This order system's own fault: orders that are done, and answered 504 by the gateway in front of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S
from flashdrill.chaos.edge_rule import counted
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.http_rule import HttpFault
from flashdrill.chaos.http_status import status_before
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON, SHARE, Route
from flashdrill.chaos.scrape import count, rise

STATUS = 504
REFUSED = 'flashdrill_orders_total{result="validation"}'
ASKED = 3
MARGIN_S = 0.5


class Gateway504(HttpFault):
    """Forwards POST /orders, throws the service's answer away and answers 504: the orders exist, and nobody was told.

    The outcome is unknown to the client, who learns it by asking again with the same key. Seen when canary orders
    without a body are answered 504, while past the edge the service refuses them, and by the service's own count it
    has refused the ones that were answered 504 too: they did arrive.
    """

    kind = "gateway_504"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "share": SHARE,
        "users": COMMON["users"],
    }

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The orders; each names its user."""
        return Route(
            path="/orders", method="POST", share=parameters["share"], users=parameters["users"]
        )

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """An answer by the edge, after the service's."""
        return {
            "action": "status",
            "status": STATUS,
            "is_forwarded": True,
            "body": "504 Gateway Time-out\n",  # says nothing about the order, as gateways do
            "headers": {"Content-Type": "text/plain"},
        }

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A canary that got 504 anyway shows nothing."""
        return status_before(STATUS, before)

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """504, and only through the edge."""
        return answer.is_answered and answer.status == STATUS != control.status

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until they are answered 504, and counted by the service. Raises CountError."""
        evidence = await super().observe(ctx, baseline)
        if not evidence.observed:
            return evidence
        arrived = await self._arrived(ctx)
        is_seen = arrived >= ASKED
        reason = {} if is_seen else {"reason": "the service did not count the canaries' orders"}
        found = {"asked": ASKED, "refused_by_the_service": round(arrived)}
        told = Evidence(is_seen, {**reason, **evidence.measurements, **found})
        return await counted(ctx, told, "forwarded")

    async def _arrived(self, ctx: FaultContext) -> float:
        """How many of a few canaries the service has counted."""
        server, listen = ctx.target.upstream, ctx.target.listen
        before = await count(server, REFUSED)
        await asyncio.gather(*(self.look(ctx, listen, CANARY_TIMEOUT_S) for _ in range(ASKED)))
        return await rise(server, REFUSED, before, ASKED, MARGIN_S)
