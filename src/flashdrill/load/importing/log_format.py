"""The reader of an access log in a format of one's own: nginx's `log_format`, or Apache's `LogFormat`.

    $remote_addr [$time_local] "$request" $status $request_time
    %h %l %u %t "%r" %>s %b %D

Of a format only the time, the request, how long it took and the client are looked at. What else is in it only has to be
there: a variable is any text up to the character that comes after it. It is never tried in another way, so that no
line takes long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import NamedTuple

from flashdrill.errors import ConfigError
from flashdrill.load.importing.log_line import (
    Entry,
    UselessLineError,
    asked_for,
    clock,
    duration_s,
    moment,
)

_PARTS = re.compile(r"\$\{?([a-z_0-9]+)\}?|%(?:[<>]|!?[0-9,]+)?(?:\{([^}]*)\})?([a-zA-Z])")
_QUOTED = r"(?:[^\"\\]|\\.)*+"
_WORDS = r"(?>[^ ,]*(?:(?:, ?| : )[^ ,]*)*)"


class Part(NamedTuple):
    """What a variable says, and how it is written; `unit` is how many of its units a second has.

    A time is that of the request's beginning or, as nginx has it, of its end.
    """

    name: str
    pattern: str
    unit: float = 1.0
    is_beginning: bool = False


_LOCAL = Part("local", r"\[?[^\]\"]{20,30}\]?")
_TARGET = r"(?:/|\*|https?://)[^\s\"]*"
_NUMBER = r"(?:\d+(?:\.\d+)?|-)"
NGINX = {
    "time_local": _LOCAL,
    "time_iso8601": Part("iso", r"\d{4}-[^ \"\]]+"),
    "msec": Part("number", r"\d+\.\d+"),
    "request": Part("request", _QUOTED),
    "request_method": Part("method", r"[A-Z]+"),
    "request_uri": Part("target", _TARGET),
    "uri": Part("target", _TARGET),
    "request_time": Part("took", _NUMBER),
    "remote_addr": Part("visitor", r"\S+"),
    "http_user_agent": Part("agent", _QUOTED),
}
APACHE = {
    "t": _LOCAL._replace(is_beginning=True),
    "r": Part("request", _QUOTED),
    "m": Part("method", r"[A-Z]+"),
    "U": Part("target", _TARGET),
    "D": Part("took", _NUMBER, 1e6),
    "T": Part("took", _NUMBER),
    "h": Part("visitor", r"\S+"),
    "a": Part("visitor", r"\S+"),
}
APACHE_TIMES = {
    "sec": Part("number", r"\d+"),
    "msec": Part("number", r"\d+", 1e3),
    "usec": Part("number", r"\d+", 1e6),
}
"""When Apache received the request; with `end:` before the name, when it was answered."""
APACHE_TOOK = {"s": 1.0, "ms": 1e3, "us": 1e6}
TIMES = ("local", "iso", "number")


def reader_of(form: str) -> Callable[[bytes], Entry]:
    """What reads lines of this format, and raises UselessLineError. Raises ConfigError for one that lacks something."""
    form = _plain(form)
    parts: dict[str, Part] = {}
    pattern, end = "", 0
    marks = list(_PARTS.finditer(form))
    for found, next_one in zip_longest(marks, marks[1:]):
        part = _part(found)
        pattern += re.escape(form[end : found.start()])
        end = found.end()
        if part is None or part.name in parts:
            is_joined = next_one is not None and next_one.start() == end
            pattern += _joined(next_one) if is_joined else _anything(form[end : end + 1])
        else:
            parts[part.name] = part
            pattern += f"(?P<{part.name}>{part.pattern})"
    pattern += re.escape(form[end:]) + r"\s*"
    _check(form, parts)
    return _Reader(re.compile(pattern.encode()), parts)


class _Reader:
    def __init__(self, pattern: re.Pattern[bytes], parts: dict[str, Part]) -> None:
        self._pattern = pattern
        self._parts = parts

    def __call__(self, line: bytes) -> Entry:
        """The request of a line. Raises UselessLineError."""
        found = self._pattern.fullmatch(line.rstrip(b"\r\n"))
        if found is None:
            raise UselessLineError("lines of another format")
        texts = {name: found[name] for name in self._parts}
        if "request" in texts:
            method, target = asked_for(texts["request"])
        else:
            method = texts.get("method", b"GET").decode()
            target = texts["target"].decode("utf-8", "replace")
        at_s, is_exact = self._time(texts)
        visitor = b" ".join(filter(None, (texts.get("visitor"), texts.get("agent"))))
        return Entry(method, target, at_s, is_exact, self._took_s(texts), visitor.decode("latin-1"))

    def _time(self, texts: dict[str, bytes]) -> tuple[float, bool]:
        if "number" in texts:
            at_s = float(texts["number"]) / self._parts["number"].unit
            return at_s, b"." in texts["number"] or self._parts["number"].unit > 1
        if "iso" in texts:
            return moment(texts["iso"].decode("latin-1"))
        return clock(texts["local"].decode("latin-1").strip("[]")), False

    def _took_s(self, texts: dict[str, bytes]) -> float:
        text = texts.get("took", b"-")
        if any(self._parts[name].is_beginning for name in TIMES if name in self._parts):
            return 0.0
        return 0.0 if text == b"-" else duration_s(float(text) / self._parts["took"].unit)


def _part(found: re.Match[str]) -> Part | None:
    """What a variable is; None for one that says nothing of use."""
    variable, argument, letter = found.groups()
    if variable:
        return NGINX.get(variable)
    if letter == "t" and argument:
        which, _, name = argument.rpartition(":")
        part = APACHE_TIMES.get(name)
        return part and part._replace(is_beginning=which != "end")
    if letter == "T" and argument:
        return Part("took", _NUMBER, APACHE_TOOK.get(argument, 1.0))
    if letter == "i" and argument.lower() == "user-agent":
        return Part("agent", _QUOTED)
    return None if argument else APACHE.get(letter)


def _plain(form: str) -> str:
    """A format as it stands in a configuration: nginx's in several pieces, Apache's with its quotes escaped."""
    pieces = re.findall(r"'([^']*)'", form)
    if pieces and form.lstrip().startswith(("log_format", "'")):
        return "".join(pieces)
    return form.replace('\\"', '"')


def _anything(following: str) -> str:
    """Any text up to a character. Up to a space it may be a list with spaces, as nginx's upstream times are."""
    if following == '"':
        return _QUOTED
    if following == " ":
        return _WORDS
    return f"[^{re.escape(following)}]*+" if following else ".*"


def _joined(next_one: re.Match[str] | None) -> str:
    """Any text up to a variable that follows at once; what is of no use is left to the next one of no use."""
    return "" if next_one is None or _part(next_one) is None else "[^ ]*?"


def _check(form: str, parts: dict[str, Part]) -> None:
    lacking = []
    if not any(name in parts for name in TIMES):
        lacking.append("a time ($time_local, $time_iso8601, $msec; %t, %{msec}t)")
    if "request" not in parts and "target" not in parts:
        lacking.append("a request ($request, $request_uri, $uri; %r, %U)")
    if lacking:
        raise ConfigError(f"--format {form}: it has not {' and not '.join(lacking)}")
