"""One line of an access log: what was asked for, when, and by whom, in the forms that servers write by themselves.

common, combined   HOST IDENT USER [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 512 "REFERER" "AGENT"
                   also with the virtual host or syslog's words in front, and with more at the end; a last number
                   as nginx writes its request time (0.250, or rt=0.250), is that
AWS load balancer  http 2018-07-02T22:23:00.186641Z ... "GET http://shop:80/a HTTP/1.1" "AGENT" ...
JSON               nginx, Caddy, Envoy, Traefik and others: by the names of their keys
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

LONGEST_LINE = 65_536
LONGEST_S = 86_400.0
LONGEST_SPELT = 40

_LINE = re.compile(
    rb"(?P<before>\S+ \S+ .{1,200}?) ?\[(?P<time>[^\]]{20,30})\] "
    rb"\"(?P<request>(?:[^\"\\]|\\.)*)\" \d{3} \S+(?P<rest>.*)"
)
_BALANCER = re.compile(
    rb"(?:https?|h2|wss?|grpcs?) (?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) \S+ (?P<visitor>\S+?)(?::\d+)? "
    rb"\S+ (?P<times>[-\d.]+ [-\d.]+ [-\d.]+) [^\"]*"
    rb"\"(?P<request>(?:[^\"\\]|\\.)*+)\"(?P<rest>.*)"
)
_CREATED = re.compile(rb" (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) ")
"""Behind the request, the only time of a load balancer's line: of when the request came."""
_REQUEST = re.compile(rb"(?P<method>[A-Z]{1,20}) (?P<target>\S+)(?: HTTP/\d(?:\.\d)?)?")
_NAMED_TIME = re.compile(rb" (?:rt|request_time)=\"?(\d{1,6}\.\d{3})(?=[\" ]|$)")
_REQUEST_TIME = re.compile(
    rb"(?:^| )(\d{1,6}\.\d{3})(?:(?:,? | : )(?:\d{1,6}\.\d{3}|-)){0,8}(?: [.p])?$"
)
"""At the end of the line, without quotes: nginx's request time, and perhaps those of its upstreams, and `$pipe`."""
_ADDRESS = re.compile(rb"(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*")
_AGENT = re.compile(rb"[^\"]*\"(?:[^\"\\]|\\.)*+\"[^\"]*\"((?:[^\"\\]|\\.)*+)\"")
_CLOCK = "%d/%b/%Y:%H:%M:%S %z"

_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPELT = re.compile(rf"([0-9]+(?:\.[0-9]+)?)({'|'.join(_UNITS)})")

_TIMES = (
    *("start_time", "StartUTC", "time", "timestamp", "@timestamp", "time_iso8601", "ts", "msec"),
    *("time_local", "asctime"),
)
_METHODS = ("method", "request_method", "verb", "RequestMethod")
_TARGETS = ("path", "uri", "request_uri", "url", "RequestPath")
_VISITORS = ("remote_addr", "remote_ip", "client_ip", "ClientHost", "downstream_remote_address")
_BEGINNINGS = frozenset({"start_time", "StartUTC"})
"""Times of when a request began; the others are of when it was over."""


class UselessLineError(Exception):
    """A line that is no request; the words say why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `at_s` since 1970 is when it was logged, to the second unless `is_exact`; it began `took_s` before.

    `visitor` tells one from the others, and is empty when the log does not.
    """

    method: str
    target: str
    at_s: float
    is_exact: bool = False
    took_s: float = 0.0
    visitor: str = ""


def entry_of(line: bytes) -> Entry:
    """The request of a line. Raises UselessLineError."""
    if len(line) > LONGEST_LINE:
        raise UselessLineError("lines that are too long")
    if line.lstrip().startswith(b"{"):
        return _from_json(line)
    found = _LINE.match(line)
    if found is not None:
        method, target = asked_for(found["request"])
        took = _took(found["rest"])
        return Entry(
            method,
            target,
            clock(found["time"].decode("latin-1")),
            took_s=duration_s(took[1]) if took else 0.0,
            visitor=_visitor(found["before"], found["rest"]),
        )
    found = _BALANCER.match(line)
    if found is None:
        raise UselessLineError("lines that are no access log")
    method, target = asked_for(found["request"])
    visitor = found["visitor"].decode("latin-1")
    created = _CREATED.search(found["rest"])
    at_s, is_exact = moment((created[1] if created else found["time"]).decode())
    took_s = 0.0 if created else sum(map(duration_s, found["times"].split()))
    return Entry(method, target, at_s, is_exact, took_s, visitor)


def form_of(line: bytes) -> str:
    """What the form of a line is called that has a request."""
    if line.lstrip().startswith(b"{"):
        return "JSON lines"
    found = _LINE.match(line)
    if found is None:
        return "load balancer"
    return "combined" if _AGENT.match(found["rest"]) else "common"


def duration_in(line: bytes) -> str:
    """What says in a line that `entry_of` reads how long its request took."""
    found = _LINE.match(line)
    took = _took(found["rest"]) if found else None
    if took is not None:
        is_named = took.re is _NAMED_TIME
        return took[0].strip().decode() if is_named else f"{took[1].decode()} at its end"
    if not line.lstrip().startswith(b"{"):
        return "its processing times"
    return "request_time" if duration_s(json.loads(line).get("request_time")) else "duration"


def asked_for(request: bytes) -> tuple[str, str]:
    """Method and target of a request line. Raises UselessLineError."""
    found = _REQUEST.fullmatch(request)
    if found is None:
        raise UselessLineError("lines without a request")
    return found["method"].decode(), found["target"].decode("utf-8", "replace")


@lru_cache(maxsize=4096)
def clock(text: str) -> float:
    """Seconds since 1970 of such as `17/May/2015:10:05:03 +0000`, leap seconds too. Raises UselessLineError."""
    leap = text[17:20] == ":60"
    try:
        found = datetime.strptime(f"{text[:17]}:59{text[20:]}" if leap else text, _CLOCK)
    except ValueError:
        raise UselessLineError("lines without a time") from None
    return found.timestamp() + leap


def moment(value: Any) -> tuple[float, bool]:
    """Seconds since 1970, and whether they are written more exactly than to the second. Raises UselessLineError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e17:
        per_s = next(per_s for per_s in (1, 1e3, 1e6) if value / per_s < 1e11)
        return value / per_s, per_s > 1 or isinstance(value, float)
    if not isinstance(value, str):
        raise UselessLineError("lines without a time")
    if value.replace(".", "", 1).isdecimal():
        return moment(float(value) if "." in value or len(value) > 20 else int(value))
    if "/" in value:
        return clock(value), False
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise UselessLineError("lines without a time") from None
    if found.tzinfo is None:
        raise UselessLineError("lines whose time has no zone")
    return found.timestamp(), "." in value or "," in value


def _from_json(line: bytes) -> Entry:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise UselessLineError("lines that are no JSON") from None
    if not isinstance(document, dict):
        raise UselessLineError("lines that are no access log")
    request = document.get("request")
    inner = request if isinstance(request, dict) else document
    method, target = _first(inner, _METHODS), _first(inner, _TARGETS)
    if target is None and isinstance(request, str):
        method, target = asked_for(request.encode("utf-8", "replace"))
    if not isinstance(target, str) or not target:
        raise UselessLineError("lines without a request")
    key = next((name for name in _TIMES if document.get(name) is not None), "")
    at_s, is_exact = moment(document.get(key))
    took = 0.0 if key in _BEGINNINGS else duration_s(document.get("request_time"))
    if isinstance(request, dict) and not took:
        took = _caddy_s(document.get("duration"))
    visitor = str(_first(inner, _VISITORS) or _first(document, _VISITORS) or "")
    return Entry(str(method or "GET"), target, at_s, is_exact, took, visitor)


def _first(document: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((document[name] for name in names if document.get(name) is not None), None)


def duration_s(value: Any) -> float:
    """A duration in seconds; none for what is no number, or is over a day."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if 0 <= found <= LONGEST_S else 0.0


def _caddy_s(value: Any) -> float:
    """Caddy's duration: a number of seconds, or as Go spells it, such as `1m2.5s` (its `duration_format string`)."""
    if not isinstance(value, str):
        return duration_s(value)
    found = _SPELT.findall(value) if len(value) < LONGEST_SPELT else []
    if not found or "".join(number + unit for number, unit in found) != value:
        return duration_s(value)
    return duration_s(sum(float(number) * _UNITS[unit] for number, unit in found))


def _took(rest: bytes) -> re.Match[bytes] | None:
    """How long the request took, behind the request."""
    return _NAMED_TIME.search(rest) or _REQUEST_TIME.search(rest.strip())


def _visitor(before: bytes, rest: bytes) -> str:
    """The client's address and program; the address alone when the log lacks the program."""
    words = before.split()
    address = next((word for word in reversed(words) if _ADDRESS.fullmatch(word)), words[0])
    quoted = _AGENT.match(rest)
    agent = quoted[1] if quoted else b""
    return f"{address.decode('latin-1')} {agent.decode('latin-1')}"
