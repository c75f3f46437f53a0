"""A web server's access log into a traffic model: one arrival for each request, under its method and route.

    common, combined      HOST IDENT USER [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 512 "REFERER" "AGENT"
    nginx with its time   the same, and the request time in seconds at the end of the line
    JSON lines            {"time": "2015-05-17T10:05:03Z", "method": "GET", "path": "/a", "request_time": 0.012}

A log has seconds, mostly: the requests of one second are spread evenly over it, in their order. It is written when a
request is over: where it says how long the request took, the arrival is so much earlier. Paths are cut to their first
parts, so that there are as many labels as there are routes; numbers and ids in them become `*`.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flashdrill.errors import ConfigError
from flashdrill.load.importing.recording import model_of, no_such_file
from flashdrill.load.importing.route import label_of
from flashdrill.model.traffic import TrafficModel

DEPTH = 1
MOST_LABELS = 500
WORST_SHARE = 0.05
"""With more useless lines than that it is no access log."""
SHOWN_LINES = 3
LONGEST_LINE = 65_536
_EMPTY = "empty lines"

_LINE = re.compile(
    rb"\S+ \S+ .{1,200}? ?\[(?P<time>[^\]]{20,30})\] \"(?P<request>(?:[^\"\\]|\\.)*)\" \d{3} \S+(?P<rest>.*)"
)
_REQUEST = re.compile(rb"(?P<method>[A-Z]{1,20}) (?P<target>\S+)(?: HTTP/\d(?:\.\d)?)?")
_REQUEST_TIME = re.compile(rb"(?:^|[ =])(\"?)(\d{1,6}\.\d{1,6})\1$")
_CLOCK = "%d/%b/%Y:%H:%M:%S %z"

_TIMES = ("time", "timestamp", "@timestamp", "time_iso8601", "ts", "msec", "time_local")
_METHODS = ("method", "request_method", "verb")
_TARGETS = ("path", "uri", "request_uri", "url")


class UselessLineError(Exception):
    """A line that is no request; the words say why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `at_s` since 1970 is when it was logged, to the second unless `is_exact`."""

    label: str
    at_s: float
    is_exact: bool
    took_s: float = 0.0


class _Found:
    """What was found in a log, line by line."""

    def __init__(self) -> None:
        self.skipped: dict[str, int] = {}
        self._lines = 0
        self._useless: list[tuple[int, str]] = []
        self._exact: dict[str, list[int]] = {}
        self._by_second: dict[int, list[tuple[str, float]]] = {}
        self._plain: dict[str, tuple[str, float]] = {}  # one pair for all requests of a label

    def take(self, number: int, line: bytes, depth: int) -> None:
        """One more line."""
        self._lines = number
        if not line.strip():
            self._skip(_EMPTY)
            return
        try:
            entry = _entry(line, depth)
        except UselessLineError as error:
            self._skip(str(error))
            if len(self._useless) < SHOWN_LINES:
                self._useless.append((number, str(error)))
            return
        label = entry.label
        if entry.is_exact:
            time_ms = round((entry.at_s - entry.took_s) * 1000)
            self._exact.setdefault(label, []).append(time_ms)
            return
        plain = self._plain.setdefault(label, (label, 0.0))
        pair = (label, entry.took_s) if entry.took_s else plain
        self._by_second.setdefault(int(entry.at_s), []).append(pair)

    def times_ms(self) -> dict[str, list[int]]:
        """When each request began, by label: those of one second spread over it in their order."""
        times = {label: list(exact) for label, exact in self._exact.items()}
        for second, requests in self._by_second.items():
            for place, (label, took_s) in enumerate(requests):
                at_s = second + place / len(requests) - took_s
                times.setdefault(label, []).append(round(at_s * 1000))
        return times

    def check(self, path: Path) -> None:
        """Raise ConfigError for a file that is not what it should be."""
        if not self._lines:
            raise ConfigError("the file is empty", path=path)
        bad = sum(count for reason, count in self.skipped.items() if reason != _EMPTY)
        labels = self._plain.keys() | self._exact.keys()
        if bad > self._lines * WORST_SHARE or not labels:
            where = ", ".join(f"line {number}: {reason}" for number, reason in self._useless)
            raise ConfigError(
                f"{bad} of {self._lines} lines are no requests{f' ({where})' if where else ''}",
                path=path,
                line=self._useless[0][0] if self._useless else 1,
                remedy="it takes the common and combined formats, nginx's, and JSON lines with time, method and path",
            )
        if len(labels) > MOST_LABELS:
            raise ConfigError(
                f"{len(labels)} different routes are more than {MOST_LABELS}",
                path=path,
                remedy="keep fewer parts of the path, with --depth 1",
            )

    def _skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def import_access_log(
    path: Path, mapping: Sequence[str] = (), *, depth: int = DEPTH
) -> TrafficModel:
    """The traffic model of an access log, which may be compressed by gzip.

    `depth` is how many parts of a path a label keeps. Raises ConfigError, with the line, for a file that is none.
    """
    found = _Found()
    for number, line in _lines(path):
        found.take(number, line, depth)
    found.check(path)
    return model_of(path, found.times_ms(), mapping, found.skipped)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers. Raises ConfigError."""
    try:
        with path.open("rb") as probe:
            is_packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_packed else path.open("rb") as file:
            yield from enumerate(file, start=1)
    except (EOFError, gzip.BadGzipFile) as error:
        raise ConfigError(f"not a whole gzip file: {error}", path=path) from error
    except OSError as error:
        raise no_such_file(path, error) from error


def _entry(line: bytes, depth: int) -> Entry:
    """Raises UselessLineError."""
    if len(line) > LONGEST_LINE:
        raise UselessLineError("lines that are too long")
    if line.lstrip().startswith(b"{"):
        return _from_json(line, depth)
    found = _LINE.match(line)
    if found is None:
        raise UselessLineError("lines that are no access log")
    request = _REQUEST.fullmatch(found["request"])
    if request is None:
        raise UselessLineError("lines without a request")
    took = _REQUEST_TIME.search(found["rest"].strip())
    return Entry(
        label_of(request["method"].decode(), request["target"].decode("utf-8", "replace"), depth),
        _clock(found["time"].decode("latin-1")),
        is_exact=False,
        took_s=float(took[2]) if took else 0.0,
    )


def _from_json(line: bytes, depth: int) -> Entry:
    try:
        document = json.loads(line)
    except ValueError:
        raise UselessLineError("lines that are no JSON") from None
    if not isinstance(document, dict):
        raise UselessLineError("lines that are no access log")
    method, target = _first(document, _METHODS), _first(document, _TARGETS)
    if target is None and isinstance(document.get("request"), str):
        words = document["request"].split()
        method, target = (words[0], words[1]) if len(words) > 1 else (None, None)
    if not isinstance(target, str) or not target:
        raise UselessLineError("lines without a request")
    at_s, is_exact = _moment(_first(document, _TIMES))
    took = document.get("request_time", 0.0)
    return Entry(label_of(str(method or "GET"), target, depth), at_s, is_exact, _seconds(took))


def _first(document: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((document[name] for name in names if document.get(name) is not None), None)


def _moment(value: Any) -> tuple[float, bool]:
    """Seconds since 1970, and whether they are more exact than a second. Raises UselessLineError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
        at_s = value / 1000 if value > 1e11 else float(value)
        return at_s, at_s != int(at_s)
    if not isinstance(value, str):
        raise UselessLineError("lines without a time")
    if value.replace(".", "", 1).isdigit():
        return _moment(float(value))
    if "/" in value:
        return _clock(value), False
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise UselessLineError("lines without a time") from None
    if moment.tzinfo is None:
        raise UselessLineError("lines whose time has no zone")
    return moment.timestamp(), moment.microsecond != 0


def _clock(text: str) -> float:
    try:
        return datetime.strptime(text, _CLOCK).timestamp()
    except ValueError:
        raise UselessLineError("lines without a time") from None


def _seconds(value: Any) -> float:
    try:
        return min(max(float(value), 0.0), 86_400.0)
    except (TypeError, ValueError):
        return 0.0
