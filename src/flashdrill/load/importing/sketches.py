"""A sketch of the requests of a recording that knows labels, and perhaps what each asked for, but no bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from flashdrill.load.importing.found import Asked
from flashdrill.load.importing.redaction import Redaction
from flashdrill.load.importing.request_names import request_names
from flashdrill.load.importing.secret_names import is_login_path
from flashdrill.model.recorded_requests import RecordedRequest, RecordedRequests

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_METHODS = _WITH_BODY | {"GET", "DELETE", "HEAD", "OPTIONS"}


def sketched(labels: Iterable[str], asked: Mapping[str, Asked]) -> RecordedRequests:
    """A request for each label; one without a method or a path is for the user to complete."""
    redaction = Redaction()
    requests = tuple(
        _sketch(name, label, asked.get(label), redaction)
        for label, name in request_names(labels).items()
    )
    return RecordedRequests(
        requests, secrets=dict(redaction.secrets), dropped=dict(redaction.dropped)
    )


def _sketch(name: str, label: str, asked: Asked | None, redaction: Redaction) -> RecordedRequest:
    if asked is None:
        return RecordedRequest(name, label)
    method = asked.method.upper() if asked.method.upper() in _METHODS else ""
    return RecordedRequest(
        name, label, method, _path(asked.target, redaction), notes=tuple(_notes(asked, method))
    )


def _path(target: str, redaction: Redaction) -> str:
    """The path with its query; empty when it is none."""
    try:
        url = urlsplit(target)
    except ValueError:
        return ""
    if not url.path.startswith("/") and not url.netloc:
        return ""
    path, _ = redaction.path(url.path or "/")
    query = redaction.query(url.query, is_login=is_login_path(unquote(url.path).split("/")))
    found = f"{path}?{query}" if query else path
    return found if not any(map(str.isspace, found)) else ""


def _notes(asked: Asked, method: str) -> Iterator[str]:
    if asked.others:
        yield f"the most frequent path of {asked.others + 1} or more different ones"
    if method in _WITH_BODY:
        yield "its body was not recorded: `json`, `form` or `body`"
