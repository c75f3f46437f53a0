"""What an answer says about an operation: it happened, it certainly did not, or nobody can say.

| what came back                                        | outcome | reason                        |
|-------------------------------------------------------|---------|-------------------------------|
| a status that acknowledges, with what it must carry   | ok      | as the call names it          |
| a problem body with `definite: true` or `refusal: true` | fail  | the problem's type            |
| a status that the call declares a refusal             | fail    | as the call names it          |
| nothing: no connection, so not a byte was sent        | fail    | connection_refused, connect_timeout, tls_failed |
| 504 without that                                      | info    | gateway_timeout               |
| any other status                                      | info    | http_NNN                      |
| nothing in time                                       | info    | timeout                       |
| a reset, an early end, what is no HTTP                | info    | connection_lost               |
| more than an answer can be (64 MiB, 64 KiB of head)   | info    | answer_too_large              |

An edge answers after it has forwarded a request, so a status alone never says that nothing happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flashdrill.load.exchange import Reply
from flashdrill.model.op import FAIL, INFO, OK, Outcome

NOT_CONNECTED = frozenset({"connection_refused", "connect_timeout", "tls_failed"})
"""Failures before the first byte: definite."""

RETRYABLE_STATUSES = frozenset({0, 429, 503, 504})
"""Of definite failures these are worth another attempt (0: there was no connection)."""

_NONE: Mapping[int, str] = {}
_PROBLEM = "application/problem+json"


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """The meaning of a reply. `document` is its JSON object, empty when it has none."""

    outcome: Outcome
    reason: str
    is_refusal: bool = False
    is_retryable: bool = False
    document: Mapping[str, Any] = {}


def judge(
    reply: Reply,
    acknowledged: Mapping[int, str],
    required: tuple[str, ...] = (),
    refused: Mapping[int, str] = _NONE,
) -> Judgement:
    """What the reply says. `acknowledged` and `refused` map statuses to reasons; `required` are fields that an
    acknowledging answer has."""
    if reply.failure:
        outcome = FAIL if reply.failure in NOT_CONNECTED else INFO
        return Judgement(outcome, reply.failure, is_retryable=True)
    document = _document(reply.body)
    reason = acknowledged.get(reply.status)
    if reason is not None and _has_all(document, required):
        return Judgement(OK, reason, document=document)
    if (refusal := refused.get(reply.status)) is not None:
        return Judgement(FAIL, refusal, is_refusal=True, document=document)
    if reason is None and reply.content_type.lower().startswith(_PROBLEM):
        definite = _definite(reply.status, document)
        if definite is not None:
            return definite
    return Judgement(INFO, _unknown(reply.status), is_retryable=True, document=document)


def _definite(status: int, problem: Mapping[str, Any]) -> Judgement | None:
    is_refusal = problem.get("refusal") is True
    if not is_refusal and problem.get("definite") is not True:
        return None
    slug = str(problem.get("type", "")).rstrip("/").rpartition("/")[2].replace("-", "_")
    is_retryable = not is_refusal and status in RETRYABLE_STATUSES
    return Judgement(FAIL, slug or f"http_{status}", is_refusal, is_retryable, problem)


def _unknown(status: int) -> str:
    return "gateway_timeout" if status == 504 else f"http_{status}"


def _has_all(document: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether they are all there; null is nothing."""
    for name in names:  # noqa: SIM110 (the hot path: a generator costs more than the rest of this)
        if document.get(name) is None:
            return False
    return True


def decoded(body: bytes) -> Any:
    """A JSON value; None when it is none, or too deep to be read."""
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _document(body: bytes) -> Mapping[str, Any]:
    document = decoded(body)
    return document if isinstance(document, dict) else {}
