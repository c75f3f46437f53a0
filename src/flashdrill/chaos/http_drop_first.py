"""Requests that get no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.edge_rule import counters
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.http_rule import HttpFault
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON


class HttpDropFirst(HttpFault):
    """Closes the connection of the `first` requests (0: of all), by route, method, share and users.

    They get no answer and are not forwarded. A client cannot tell it from an answer that was lost, and must ask
    again. Seen when a canary's connection ends before a byte of an answer, while it is answered past the edge. The
    canaries are among the first; when customers used all of them up before, the edge's count of dropped requests is
    the proof (`proven_by` says which).
    """

    kind = "http_drop_first"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "first": Parameter("int", 0, "how many requests are dropped; 0: all"),
        **COMMON,
    }

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """No answer."""
        return {"action": "drop", "first": parameters["first"]}

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """After the first ones, requests are answered."""
        return super().is_every(parameters) and not parameters["first"]

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """An end without a byte."""
        is_cut = answer.seen in {Seen.CLOSED, Seen.RESET} and not answer.received
        return is_cut and control.is_answered

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """By canaries; by the edge's count when nothing was left for them."""
        evidence = await super().observe(ctx, baseline)
        if evidence.observed:
            return replace(evidence, measurements={**evidence.measurements, "proven_by": "canary"})
        first = ctx.parameters["first"]
        dropped = (await counters(ctx) or {}).get("applied", 0)
        if not first or dropped < first:
            return evidence
        found = {k: v for k, v in evidence.measurements.items() if k != "reason"}
        return Evidence(True, {**found, "proven_by": "count of the edge", "dropped": dropped})
