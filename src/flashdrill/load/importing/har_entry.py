"""One entry of a HAR (1.2, and what browsers add to it): what is read of it, and whether it is a request of its own.

An answer's content is read for its type only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from flashdrill.load.importing.found import EARLIEST_MS, LATEST_MS
from flashdrill.load.importing.secret_names import word_set

METHODS = word_set("GET POST PUT PATCH DELETE HEAD OPTIONS")
STATIC = "static assets"
_PORTS = {"http": 80, "https": 443}
_STATIC_KINDS = word_set("image stylesheet script font media texttrack manifest")
_OTHER_KINDS = word_set("xhr fetch document preflight")
_STATIC_TYPE = re.compile(
    r"(image|font|audio|video)/|text/css|(text|application)/(x-)?(java|ecma)script|application/(x-)?font"
)
_STATIC_PATH = re.compile(
    r"\.(png|jpe?g|gif|webp|avif|svg|ico|bmp|css|m?js|map|woff2?|ttf|otf|eot|mp[34]|m4[as]|webm|ogg|wav|mov|m3u8)$",
    re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Pair(msgspec.Struct, rename="camel"):
    """A header, or a field of a form."""

    name: str = ""
    value: Any = ""


class PostData(msgspec.Struct, rename="camel"):
    """A request's body."""

    mime_type: str | None = ""
    text: str | None = None
    params: list[Pair] | None = None
    encoding: Any = None


class _Request(msgspec.Struct, rename="camel"):
    method: str = ""
    url: str = ""
    headers: list[Pair] | None = None
    post_data: PostData | None = None


class _Content(msgspec.Struct, rename="camel"):
    mime_type: str | None = ""


class _Response(msgspec.Struct):
    status: int | float | None = 0
    content: _Content | None = None
    service_worker_source: Any = msgspec.field(name="_serviceWorkerResponseSource", default=None)


class Entry(msgspec.Struct, rename="camel"):
    """What is read of an entry."""

    started_date_time: Any = None
    time: Any = None
    pageref: Any = None
    request: _Request | None = None
    response: _Response | None = None
    from_cache: Any = msgspec.field(name="_fromCache", default=None)
    from_disk: Any = msgspec.field(name="fromDiskCache", default=None)
    from_disk_too: Any = msgspec.field(name="_fromDiskCache", default=None)
    fetched: Any = msgspec.field(name="_fetchType", default=None)
    kind: Any = msgspec.field(name="_resourceType", default=None)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: to whom, for what, when (milliseconds since 1970), until when, and what it was answered."""

    host: str
    method: str
    path: str
    query: str
    at_ms: int
    end_ms: int
    status: int
    page: str
    headers: tuple[tuple[str, str], ...]
    body: PostData | None


class UselessEntryError(Exception):
    """An entry that should be an arrival and cannot be one; the words repeat nothing of it."""


decode = msgspec.json.Decoder(Entry).decode
"""Raises msgspec.DecodeError, whose words repeat nothing of the entry."""


def why_skipped(entry: Entry, *, keeps_static: bool) -> str:
    """Why an entry was never meant to be an arrival, in the plural; empty when it was."""
    url = (entry.request.url if entry.request else "").strip()
    status = int(entry.response.status or 0) if entry.response else 0
    if other := _not_of_the_web(entry, url, status):
        return other
    stored = entry.response.service_worker_source if entry.response else None
    is_stored = isinstance(stored, str) and stored != "network"
    if is_stored or any(
        (entry.from_cache, entry.from_disk, entry.from_disk_too, _is_cached(entry.fetched))
    ):
        return "answers from a cache"
    if status <= 0:
        return "aborted requests"
    return STATIC if not keeps_static and _is_static(entry, url) else ""


def _not_of_the_web(entry: Entry, url: str, status: int) -> str:
    """What else an entry is than a request over HTTP."""
    scheme = url.partition(":")[0].lower()
    if scheme in {"ws", "wss"} or entry.kind == "websocket" or status == 101:
        return "websockets"
    if scheme in {"data", "blob"}:
        return "data: and blob: URLs"
    if entry.request and entry.request.method.upper() == "CONNECT":
        return "tunnels of a proxy"
    return "URLs that are not of the web" if "://" in url and scheme not in _PORTS else ""


def asked(entry: Entry) -> Asked:
    """The request. Raises UselessEntryError for one without a URL or a time."""
    request = entry.request
    if request is None or not request.url:
        raise UselessEntryError("an entry without a URL")
    method = request.method.upper()
    if method not in METHODS:
        raise UselessEntryError("an entry whose method cannot be sent")
    try:
        url = urlsplit(request.url.strip())
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if host is None:
        raise UselessEntryError("an entry whose URL is none")
    at_ms = _ms(entry.started_date_time)
    is_number = isinstance(entry.time, int | float) and 0 <= entry.time < 86_400_000
    assert entry.response is not None
    return Asked(
        host=host if port in {None, _PORTS.get(url.scheme)} else f"{host}:{port}",
        method=method,
        path=url.path or "/",
        query=url.query,
        at_ms=at_ms,
        end_ms=at_ms + (round(entry.time) if is_number else 0),
        status=int(entry.response.status or 0),
        page=entry.pageref if isinstance(entry.pageref, str) else "",
        headers=tuple((pair.name, _text(pair.value)) for pair in request.headers or ()),
        body=request.post_data,
    )


def _ms(text: Any) -> int:
    if not text:
        raise UselessEntryError("an entry without a time")
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UselessEntryError("an entry whose startedDateTime is no time") from None
    if moment.tzinfo is None:
        raise UselessEntryError("an entry whose startedDateTime names no time zone")
    at_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise UselessEntryError("an entry that is not of the years 2000 to 2100")
    return at_ms


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _is_cached(fetched: Any) -> bool:
    """Safari's `Memory Cache` and `Disk Cache`."""
    return isinstance(fetched, str) and "cache" in fetched.lower()


def _is_static(entry: Entry, url: str) -> bool:
    if isinstance(entry.kind, str) and entry.kind in _STATIC_KINDS | _OTHER_KINDS:
        return entry.kind in _STATIC_KINDS
    content = entry.response.content if entry.response else None
    kind = (content.mime_type or "") if content else ""
    path = url.partition("?")[0].partition("#")[0]
    return bool(_STATIC_TYPE.match(kind.lower()) or _STATIC_PATH.search(path))
