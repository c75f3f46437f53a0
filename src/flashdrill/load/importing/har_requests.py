"""Request templates from a HAR: one of each label, without its secrets, and journeys with the recorded pauses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from flashdrill.load.importing.har_entry import Asked, PostData
from flashdrill.load.importing.nested import holds_secret
from flashdrill.load.importing.redaction import Redaction, escaped, is_login, is_login_text
from flashdrill.load.importing.request_names import request_names
from flashdrill.load.importing.secret_names import is_login_path, suggests_secret
from flashdrill.model.recorded_requests import RecordedRequest, RecordedRequests
from flashdrill.model.templates import Step

MOST_STEPS = 200
MOST_PAGES = 20
LARGEST_BODY = 65_536
_MOST_OTHERS = 10_000
_SCHEME = re.compile(r"(?i)(basic|bearer|digest|token|apikey) ")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\x20-\x7e]{1,1000}")
_OF_ONE_REQUEST = frozenset({"idempotency-key", "x-idempotency-key", "x-request-id"})
_OF_THE_WAY = re.compile(
    r"x-(forwarded|real-ip|client-data|b3|amzn-trace|datadog|cloud-trace|http-method-override$|correlation-id)"
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(slots=True)
class _Kept:
    """The first request of a label that went well, or the first; what others there were, and the statuses."""

    asked: Asked
    different: set[int] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)
    is_well: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    label: str
    at_ms: int
    end_ms: int
    page: str


class HarRequests:
    """Collects the requests of a recording."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._kept: dict[str, _Kept] = {}
        self._steps: list[_Step] = []

    def take(self, label: str, asked: Asked) -> None:
        """One request, under its label."""
        kept = self._kept.setdefault(label, _Kept(asked))
        is_well = 200 <= asked.status < 400
        if is_well and not kept.is_well:
            kept.asked, kept.is_well = asked, True
        kept.statuses.add(asked.status)
        if len(kept.different) < _MOST_OTHERS:
            text = asked.body.text if asked.body else None
            kept.different.add(hash((asked.path, asked.query, text)))
        self._steps.append(_Step(label, asked.at_ms, asked.end_ms, asked.page))

    def recorded(self) -> RecordedRequests:
        """The templates and the journeys."""
        names = request_names(self._kept)
        requests = tuple(self._request(label, name) for label, name in names.items())
        return RecordedRequests(
            requests=requests,
            journeys=dict(_journeys(self._steps, names)),
            secrets=dict(self._redaction.secrets),
            dropped=dict(self._redaction.dropped),
        )

    def _request(self, label: str, name: str) -> RecordedRequest:
        kept = self._kept[label]
        asked, redaction = kept.asked, self._redaction
        path, _ = redaction.path(asked.path)
        logs_in = is_login_path(unquote(asked.path).split("/"))
        query = redaction.query(asked.query, is_login=logs_in)
        headers = dict(self._headers(asked))
        kind, body, content_type = self._body(asked)
        if content_type:
            headers["Content-Type"] = content_type
        others = len(kept.different) - 1
        return RecordedRequest(
            name=name,
            label=label,
            method=asked.method,
            path=_sendable(f"{path}?{query}" if query else path),
            headers=headers,
            body_kind=kind,
            body=body,
            ok=_ok(kept.statuses),
            notes=tuple(_notes(others, kept)),
        )

    def _headers(self, asked: Asked) -> Iterator[tuple[str, str]]:
        for name, value in asked.headers:
            lower = name.lower()
            if lower == "authorization":
                self._redaction.drop("header", name)
                scheme = _SCHEME.match(value)
                token = "credentials" if scheme and scheme[1].lower() == "basic" else "token"
                yield name, f"{scheme[0] if scheme else ''}{self._redaction.placeholder(token)}"
            elif suggests_secret(name):
                self._redaction.drop("header", name)
            elif lower in _OF_ONE_REQUEST:
                yield name, "${uuid}"
            elif _is_kept(lower, value):
                if holds_secret(value):
                    self._redaction.drop("header", name)
                else:
                    yield name, escaped(value)

    def _body(self, asked: Asked) -> tuple[str, Any, str]:
        """Its kind, the body, and the type to send when it is not the usual one of that kind."""
        posted = asked.body
        if posted is None or not (posted.text or posted.params):
            return "", None, ""
        kind = (posted.mime_type or "").partition(";")[0].strip().lower()
        text = posted.text or ""
        if len(text) > LARGEST_BODY or posted.encoding or not _is_text(kind):
            self._redaction.dropped["body that is long, of files, or no text"] += 1
            return "", None, ""
        document = _document(text)
        if document is not None:
            return self._json(asked, document, _type(kind, "application/json"))
        if kind == "application/x-www-form-urlencoded" or not (kind or text):
            return self._form(asked, posted)
        return self._text(asked, text, _type(kind, "text/plain"))

    def _json(self, asked: Asked, document: Any, content_type: str) -> tuple[str, Any, str]:
        if is_login(unquote(asked.path).split("/"), document):
            names = list(document) if isinstance(document, dict) else ["body"]
            return "json", self._redaction.login(names), content_type
        cleaned = self._redaction.document(document)
        if _is_writable(cleaned):
            return "json", cleaned, content_type
        text = json.dumps(cleaned).replace("$${", "${")
        return "text", escaped(text), content_type or "application/json"

    def _form(self, asked: Asked, posted: PostData) -> tuple[str, Any, str]:
        pairs = [(pair.name, str(pair.value or "")) for pair in posted.params or ()]
        pairs = parse_qsl(posted.text, keep_blank_values=True) if posted.text else pairs
        fields = dict(pairs)
        if is_login(unquote(asked.path).split("/"), fields):
            return "form", self._redaction.login(list(fields)), ""
        cleaned = self._redaction.fields(pairs)
        if len({name for name, _ in cleaned}) == len(cleaned) and _is_writable(dict(cleaned)):
            return "form", dict(cleaned), ""
        text = "&".join(f"{quote(n)}={quote(v.replace('$${', '${'))}" for n, v in cleaned)
        return "text", text, "application/x-www-form-urlencoded"

    def _text(self, asked: Asked, text: str, content_type: str) -> tuple[str, Any, str]:
        if is_login_path(unquote(asked.path).split("/")) or is_login_text(text):
            return "text", self._redaction.login(["body"])["body"], content_type
        if holds_secret(text):
            self._redaction.dropped["body with a secret in its text"] += 1
            return "", None, ""
        return "text", escaped(text), content_type


def _journeys(
    steps: Sequence[_Step], names: Mapping[str, str]
) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """`visit` is the whole recording, and each of its pages one more."""
    ordered = sorted(steps, key=lambda step: step.at_ms)
    if not ordered:
        return
    yield "visit", tuple(_paced(ordered[:MOST_STEPS], names))
    pages: dict[str, list[_Step]] = {}
    for step in ordered:
        if step.page:
            pages.setdefault(step.page, []).append(step)
    if len(pages) > 1:
        for number, of_page in enumerate(list(pages.values())[:MOST_PAGES], start=1):
            yield f"page_{number}", tuple(_paced(of_page[:MOST_STEPS], names))


def _paced(steps: Sequence[_Step], names: Mapping[str, str]) -> Iterator[Step]:
    """The requests one after the other, with the time from an answer to the next request."""
    over_ms = math.inf
    for step in steps:
        pause_s = (step.at_ms - over_ms) / 1000
        if pause_s > 0:
            yield Step("", pause_s, pause_s)
        yield Step(names[step.label])
        over_ms = step.end_ms if over_ms is math.inf else max(over_ms, step.end_ms)


def _ok(statuses: set[int]) -> tuple[int, ...]:
    """Statuses that acknowledge it. 206 and 304 are answers to headers that are not sent."""
    well = {200 if s in {206, 304} else s for s in statuses if 200 <= s < 400}
    return tuple(sorted(well or {s for s in statuses if 100 <= s <= 599} or {200}))


def _notes(others: int, kept: _Kept) -> Iterator[str]:
    if others:
        more = " or more" if others + 1 >= _MOST_OTHERS else ""
        what = "one with another path or body" if others == 1 else "with other paths or bodies"
        yield f"the first of several: {others}{more} {what} {'is' if others == 1 else 'are'} not here"
    if not kept.is_well:
        yield "was never answered well in the recording: look at `ok`"


def _is_kept(lower: str, value: str) -> bool:
    """Whether a header is one of the few that say what is asked for."""
    if not (_HEADER.fullmatch(lower) and _VALUE.fullmatch(value)):
        return False
    if lower == "accept":
        return value != "*/*"
    return lower.startswith("x-") and not _OF_THE_WAY.match(lower)


def _is_text(kind: str) -> bool:
    return (
        kind.startswith("text/")
        or any(word in kind for word in ("json", "xml", "graphql", "javascript"))
        or kind in {"", "application/x-www-form-urlencoded"}
    )


def _type(kind: str, usual: str) -> str:
    """The type, unless it is the usual one or may hold anything."""
    return "" if kind in {"", usual} or holds_secret(kind) else kind


def _document(text: str) -> Any:
    """An object or a list of JSON; None for any other text."""
    if text.lstrip("\ufeff \r\n\t")[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _is_writable(value: Any) -> bool:
    """Whether a file of requests can hold it: nothing is filled into keys, and numbers are of 15 digits."""
    if isinstance(value, dict):
        return all("${" not in key and _is_writable(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_writable, value))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number or _NUMBER.fullmatch(repr(value)) is not None


def _sendable(path: str) -> str:
    """Without what no path can hold."""
    return quote(path, safe="/?#[]@!$&'()*+,;=:%{}|^`\"<>\\~-._")
