"""Answers that end before they are whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON
from flashdrill.errors import ConfigError

NO_BODY = "the answer to {} has no body to cut: name another canary"


class HttpTruncate(HttpFault):
    """Sends `keep` of an answer's body and closes the connection, by route, method, share and users.

    The full Content-Length was announced, and the request was done: its outcome is unknown to the client. Seen when
    canaries get a status and fewer bytes than the answer declares, while it is whole past the edge.
    """

    kind = "http_truncate"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "keep": Parameter("share", 0.5, "the share of the body that is sent", "share"),
        **COMMON,
    }

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A part of the body."""
        if parameters["keep"] >= 1.0:
            raise ConfigError("keep is less than 100%", remedy="say how much of a body is sent")
        return {"action": "truncate", "keep": parameters["keep"]}

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """Nothing can be cut from an empty body."""
        answer = answer_of(before.path)
        return NO_BODY.format(answer.question) if answer.is_answered and not answer.body else ""

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """It ended early, and the server's own answer did not."""
        is_cut = answer.seen in {Seen.CLOSED, Seen.RESET}
        is_short = answer.declared is not None and len(answer.body) < answer.declared
        return is_cut and is_short and bool(answer.status) and control.is_answered

    def told(self, before: Baseline) -> dict[str, Any]:
        """With the bytes of the last answer."""
        last = self._answers[-1] if self._answers else None
        sizes = {"body_bytes": len(last.body), "declared_bytes": last.declared} if last else {}
        return {**super().told(before), **sizes}
