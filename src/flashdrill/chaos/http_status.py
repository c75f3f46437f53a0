"""Requests that are answered with an error, and never reach the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.route import COMMON
from flashdrill.errors import ConfigError

PROBLEM_BASE = "https://flashdrill.invalid/problems/"
GATEWAY_TIMEOUT = 504  # whoever gives up cannot know
FIRST_STATUS, LAST_STATUS = 400, 599


class HttpStatus(HttpFault):
    """Answers requests with `status` in front of the server, by route, method, share and users.

    With `definite` the answer says, in a problem body (RFC 9457), that nothing happened, which is so; without it the
    client cannot know. Seen when canaries get the status, while the same question past the edge is answered
    otherwise, as it was before.
    """

    kind = "http_status"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "status": Parameter(
            "int", 503, "the status of the answer, 400 to 599", least=400, most=599
        ),
        "definite": Parameter(
            "flag", True, "whether the answer says that nothing happened; a 504 never does"
        ),
        **COMMON,
    }

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """An answer by the edge."""
        status = checked_status(parameters["status"])
        is_definite = parameters["definite"] and status != GATEWAY_TIMEOUT
        return {"action": "status", "status": status, **_content(status, is_definite=is_definite)}

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A canary that got that status anyway shows nothing."""
        return status_before(parameters["status"], before)

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """The status, and only through the edge."""
        return answer.is_answered and answer.status == parameters["status"] != control.status


def checked_status(status: int) -> int:
    """A status that says that something went wrong. Raises ConfigError for another."""
    if FIRST_STATUS <= status <= LAST_STATUS:
        return status
    raise ConfigError(
        f"status is from {FIRST_STATUS} to {LAST_STATUS}, not {status}",
        remedy="name the status of an error, such as 503",
    )


def status_before(status: int, before: Baseline) -> str:
    """The reason why a status proves nothing: canaries got it before the fault; else empty."""
    answer = answer_of(before.path)
    if answer.status != status:
        return ""
    return f"{answer.question} was answered {status} before the fault too: name another canary"


def _content(status: int, *, is_definite: bool) -> dict[str, Any]:
    """What the answer says. Without a problem body nobody can tell what became of the request."""
    if not is_definite:
        return {"body": "", "headers": {"Content-Type": "text/plain"}}
    problem = {
        "type": f"{PROBLEM_BASE}edge-{status}",
        "title": "Answered in front of the service",
        "status": status,
        "detail": "an injected fault: the request was not forwarded",
        "definite": True,
        "refusal": False,
    }
    return {"body": json.dumps(problem), "headers": {"Content-Type": "application/problem+json"}}
