"""This order system's own fault: payment callbacks that are delivered several times at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S
from flashdrill.chaos.edge_rule import counters
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.http_rule import HttpFault, statuses
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import Route
from flashdrill.chaos.scrape import count, rise

HANDLED = 'flashdrill_resource_uses_total{resource="requests"}'
CANARIES = 5
MARGIN_S = 0.5


class DuplicateCallbacks(HttpFault):
    """Delivers each payment callback `copies` times, at once or spread over `spread`.

    The provider hears the first answer, and each order must be paid once all the same. Seen when the service, by its
    own count, has handled `copies` requests for each unsigned canary callback, and the edge counts that it forwarded
    that many.
    """

    kind = "duplicate_callbacks"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "copies": Parameter("int", 3, "how often each callback is delivered, 2 or more", least=2),
        "spread": Parameter("duration", 0.0, "over what time; 0s: at once", "s"),
    }

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The callbacks."""
        return Route(path="/payments/callback", method="POST")

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Copies."""
        keys = {"copies": parameters["copies"], "spread_s": parameters["spread"]}
        return {"action": "duplicate", **keys}

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The last copy comes so late."""
        return float(parameters["spread"])

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """An answer does not show how often it was asked for."""
        return False

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until the service has handled as many as they and their copies are. Raises CountError."""
        now = asyncio.get_running_loop().time
        began = now()
        found: dict[str, Any] = {}
        is_seen = False
        while not is_seen and (left_s := began + ctx.observe_s - now()) > 0:
            found = await self._round(ctx, min(left_s, ctx.parameters["spread"] + MARGIN_S))
            is_seen = min(found["handled"], found["forwarded"]) >= found["expected"]
        reason = (
            {} if is_seen else {"reason": "the service did not handle a callback several times"}
        )
        told = {**found, "observed_after_s": round(now() - began, 3)}
        return Evidence(is_seen, {**reason, **self.told(baseline), **told})

    async def _round(self, ctx: FaultContext, within_s: float) -> dict[str, Any]:
        """What a few canaries brought: `handled` by the service, `forwarded` by the edge."""
        server, listen = ctx.target.upstream, ctx.target.listen
        expected = CANARIES * ctx.parameters["copies"]
        before = await count(server, HANDLED)
        forwarded_before = (await counters(ctx) or {}).get("forwarded", 0)
        answers = await asyncio.gather(
            *(self.look(ctx, listen, CANARY_TIMEOUT_S) for _ in range(CANARIES))
        )
        handled = await rise(server, HANDLED, before, expected, within_s)
        found = await counters(ctx) or {}
        return {
            "canaries": CANARIES,
            "expected": expected,
            "handled": round(handled),
            "forwarded": found.get("forwarded", 0) - forwarded_before,
            "answers": statuses(answers),
            "counters": found,
        }
