"""Requests that wait on their way to the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault, rise_s
from flashdrill.chaos.proof import RISE_SHARE, Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON

LEAST_RISE_S = 0.001


class HttpDelay(HttpFault):
    """Holds requests for `delay` ± `jitter` before they are forwarded, by route, method, share and users.

    Unlike `latency` it delays whole requests, once each, and only those that it is meant for. Seen when canaries take
    at least 70 % of the delay longer than before and than past the edge.
    """

    kind = "http_delay"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "delay": Parameter("duration", description="how long a request is held", unit="s"),
        "jitter": Parameter("duration", 0.0, "the delay varies by this much either way", "s"),
        **COMMON,
    }

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A delay in front of the server."""
        return {
            "action": "delay",
            "delay_s": parameters["delay"],
            "jitter_s": parameters["jitter"],
        }

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The longest one."""
        return float(parameters["delay"] + parameters["jitter"])

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """With jitter some canaries are quicker."""
        return super().is_every(parameters) and not parameters["jitter"]

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """It took longer, whether the answer came or is still to come."""
        return is_late(parameters["delay"], answer, control, before)


def is_late(delay_s: float, answer: Answer, control: Answer, before: Baseline) -> bool:
    """Whether an answer came later, or is still to come, by most of a delay."""
    is_slow = rise_s(answer, control, before) >= max(RISE_SHARE * delay_s, LEAST_RISE_S)
    return is_slow and answer.seen in {Seen.ANSWERED, Seen.SILENT}
