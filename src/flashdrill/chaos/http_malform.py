"""Answers that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of
from flashdrill.chaos.http_truncate import NO_BODY
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON


class HttpMalform(HttpFault):
    """Damages the bodies of answers, under their own status, length and type, by route, method, share and users.

    The request was done: its outcome is unknown to the client. Seen when canaries get a body that is no JSON, while
    it is JSON past the edge (where the service does not speak JSON: a body that differs from the one that it always
    gives).
    """

    kind = "http_malform"
    parameters: ClassVar[Mapping[str, Parameter]] = COMMON

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A damaged body."""
        return {"action": "malform"}

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """Nothing can be damaged in an empty body."""
        answer = answer_of(before.path)
        return NO_BODY.format(answer.question) if answer.is_answered and not answer.body else ""

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """The server's own answer can be read, and this one cannot."""
        if not answer.is_answered or answer.status != control.status:
            return False
        if control.is_json:
            return not answer.is_json
        is_constant = control.body == answer_of(before.direct).body
        return is_constant and answer.body != control.body

    def told(self, before: Baseline) -> dict[str, Any]:
        """With how many of the answers were JSON."""
        return {
            **super().told(before),
            "json": sum(answer.is_json for answer in self._answers),
            "json_direct": sum(answer.is_json for answer in self._controls),
        }
