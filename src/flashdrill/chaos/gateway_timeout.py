"""A gateway that gives up before the server has answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flashdrill.chaos.edge_rule import counters
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of
from flashdrill.chaos.http_status import checked_status, status_before
from flashdrill.chaos.proof import RISE_SHARE, Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON

STATUS = 504


class GatewayTimeout(HttpFault):
    """Answers `status` when the server has not answered within `timeout`, by route, method, share and users.

    The server's work goes on, its answer is thrown away, and the outcome is unknown to the client. It bites only what
    takes longer than `timeout`: by itself when that is less than the canary's time at the server (name a slow
    `canary`), else together with what makes the server slow. Seen when a canary gets the status no sooner than after
    the timeout, while it is answered otherwise past the edge; or when the edge counts customers' requests that it
    gave up (`proven_by` says which).
    """

    kind = "gateway_timeout"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "timeout": Parameter("duration", description="how long the server has", unit="s"),
        "status": Parameter(
            "int", STATUS, "the status of the answer, 400 to 599", least=400, most=599
        ),
        **COMMON,
    }

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """An answer by the edge when the server's takes too long."""
        return {
            "action": "gateway_timeout",
            "timeout_s": parameters["timeout"],
            "status": checked_status(parameters["status"]),
        }

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A canary that got that status anyway shows nothing."""
        return status_before(parameters["status"], before)

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The timeout."""
        return float(parameters["timeout"])

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """The server may be in time."""
        return False

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """The status, not before its time, and only through the edge."""
        is_given_up = answer.is_answered and answer.status == parameters["status"] != control.status
        return is_given_up and answer.waited_s >= RISE_SHARE * parameters["timeout"]

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """By canaries; by the edge's count of requests that it gave up when the canaries are too quick for it."""
        evidence = await super().observe(ctx, baseline)
        if evidence.observed:
            return replace(evidence, measurements={**evidence.measurements, "proven_by": "canary"})
        given_up = (await counters(ctx) or {}).get("applied", 0)
        found = {k: v for k, v in evidence.measurements.items() if k != "reason"}
        if given_up:
            return Evidence(True, {**found, "proven_by": "count of the edge", "given_up": given_up})
        return Evidence(False, {"reason": _too_quick(ctx, baseline, evidence), **found})


def _too_quick(ctx: FaultContext, before: Baseline, evidence: Evidence) -> str:
    """Why nothing was seen, when it is that nothing was slow enough."""
    answer, timeout_s = answer_of(before.path), ctx.parameters["timeout"]
    if not answer.is_answered or answer.waited_s >= timeout_s:
        return str(evidence.measurements.get("reason", "its effect was not seen"))
    return (
        f"nothing took longer than {timeout_s:g} s ({answer.question} took {answer.waited_s:.3f} s):"
        " name a slower canary or a shorter timeout"
    )
