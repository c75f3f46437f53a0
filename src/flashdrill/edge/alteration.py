"""Messages that are not what the client sent or the server answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

import h11

from flashdrill.edge.rule import Rule
from flashdrill.edge.upstream import Answer, Request

MARK = "X-Flashdrill-Edge"
"""On every answer that is the edge's own; its value is the rule."""
_TURNED_OVER = bytes(byte ^ 0xFF for byte in range(256))


def own_answer(rule: Rule, request: Request) -> list[h11.Event]:
    """What the rule says instead of the server: by default a problem document (RFC 9457)."""
    status = rule.keys["status"]
    body, kind = _body(status, rule.keys.get("body"))
    given = {name.lower(): value for name, value in rule.keys.get("headers", {}).items()}
    own = {"content-length": str(len(body)), MARK: quote(rule.name)}
    headers = {"content-type": kind, **given, **own}.items()
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    head = h11.Response(status_code=status, headers=encoded, reason=_reason(status))
    has_body = request.head.method != b"HEAD" and status not in {204, 304}
    return [head, *(_data(body) if has_body else []), h11.EndOfMessage()]


def whole(answer: Answer) -> list[h11.Event]:
    """The answer as it was."""
    return [answer.head, *_data(answer.body), h11.EndOfMessage()]


def damaged(answer: Answer) -> list[h11.Event]:
    """As many bytes as before, the second half of them turned over: no text and no JSON any more."""
    half = len(answer.body) // 2
    body = answer.body[:half] + answer.body[half:].translate(_TURNED_OVER)
    return [answer.head, *_data(body), h11.EndOfMessage()]


def truncated(answer: Answer, keep: float) -> list[h11.Event]:
    """That share of the body under the length of the whole, and no end."""
    framing = {b"content-length", b"transfer-encoding"}
    headers = [(k, v) for k, v in answer.head.headers.raw_items() if k.lower() not in framing]
    headers.append((b"Content-Length", str(len(answer.body)).encode()))
    head = h11.Response(
        status_code=answer.head.status_code, headers=headers, reason=answer.head.reason
    )
    return [head, *_data(answer.body[: int(len(answer.body) * keep)])]


def with_headers(request: Request, rules: Sequence[Rule]) -> Request:
    """The request with the header of each rule in place of its own."""
    if not rules:
        return request
    for rule in rules:
        rule.counters.applied += 1
    new = {rule.keys["header"].lower().encode(): rule.keys["value"].encode() for rule in rules}
    old = [(k, v) for k, v in request.head.headers.raw_items() if k.lower() not in new]
    head = h11.Request(
        method=request.head.method,
        target=request.head.target,
        headers=[*old, *new.items()],
        http_version=request.head.http_version,
    )
    return replace(request, head=head)


def _body(status: int, text: str | None) -> tuple[bytes, str]:
    if text is not None:
        return text.encode(), "text/plain; charset=utf-8"
    problem = {"type": "about:blank", "title": _reason(status), "status": status}
    return json.dumps(problem).encode(), "application/problem+json"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _data(body: bytes) -> list[h11.Event]:
    return [h11.Data(body)] if body else []
