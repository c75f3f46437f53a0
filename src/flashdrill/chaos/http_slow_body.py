"""Answers that drip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of, rise_s
from flashdrill.chaos.proof import RISE_SHARE, Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON
from flashdrill.errors import ConfigError

LEAST_S = 0.05
"""A body that would drip for less shows nothing."""
LONGEST_LOOK_S = 1.0
"""A body that drips for longer is looked at for so long."""


class HttpSlowBody(HttpFault):
    """Lets `rate` bytes a second of an answer's body through, by route, method, share and users.

    The status comes at once, the end late: a time limit on the first byte does not help. Seen when canaries take at
    least 70 % of what the bytes that came need at that rate longer than past the edge and than before; their answer
    must be long enough for it (50 ms).
    """

    kind = "http_slow_body"
    slows = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate": Parameter("rate", description="how many bytes of a body pass, such as 200/s"),
        **COMMON,
    }

    def __init__(self) -> None:
        super().__init__()
        self._dripping_s = LONGEST_LOOK_S

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A slow body."""
        if not parameters["rate"]:
            raise ConfigError(
                "rate is more than 0", remedy="say how many bytes pass, such as 200/s"
            )
        return {"action": "slow_body", "rate": parameters["rate"]}

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A short body drips for too short a time."""
        answer, rate = answer_of(before.path), parameters["rate"]
        self._dripping_s = min(len(answer.body) / rate, LONGEST_LOOK_S)
        if not answer.is_answered or self._dripping_s >= LEAST_S:
            return ""
        return (
            f"the answer to {answer.question} has {len(answer.body)} bytes, too few to show"
            f" {rate:g} a second: name a canary with a longer one"
        )

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """What the body takes, as far as it is waited for."""
        return self._dripping_s

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """What came of the body took what its bytes need."""
        needed_s = len(answer.body) / parameters["rate"]
        is_slow = rise_s(answer, control, before) >= max(RISE_SHARE * needed_s, LEAST_S / 2)
        has_come = answer.seen in {Seen.ANSWERED, Seen.SILENT} and bool(answer.body)
        return is_slow and has_come and control.is_answered

    def told(self, before: Baseline) -> dict[str, Any]:
        """With the rate of the last answer."""
        last = self._answers[-1] if self._answers else None
        if last is None or not last.waited_s:
            return super().told(before)
        rate = round(len(last.body) / last.waited_s, 1)
        return {**super().told(before), "body_bytes": len(last.body), "bytes_per_s": rate}
