"""Rules: what is done to which requests or connections of a way.

    {"way": NAME, "action": ACTION, "seed": 7, "match": {"method", "path", "share", "users", "user_from"}, ...}

ACTIONS has every action with its keys; docs/edge.md says what they do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flashdrill.edge.match import Asked, Match, UserFrom

Check = Callable[[Any], bool]
_REQUIRED = object()
MOST = 1e12
"""Of seconds and of bytes per second: what clocks can still count."""
MOST_COPIES = 1000
_FRAMING = {"content-length", "transfer-encoding"}
_NO_FRAMING = "other than Content-Length and Transfer-Encoding"


class RuleError(ValueError):
    """A rule that cannot be; the message says what is wrong with which key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a rule: what it takes, in words and as a check, and what it is when it is not given."""

    takes: str
    check: Check
    default: Any = _REQUIRED

    def read(self, name: str, given: Mapping[str, Any]) -> Any:
        """Its value. Raises RuleError."""
        if name not in given:
            if self.default is _REQUIRED:
                raise RuleError(f"{name} is missing: {self.takes}")
            return self.default
        if not self.check(given[name]):
            raise RuleError(f"{name} is {self.takes}, not {given[name]!r}")
        return given[name]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= MOST


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value))


def _is_header(value: Any) -> bool:
    return _is_name(value) and value.lower() not in _FRAMING


def _is_value(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and value == value.strip()


def _are_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_header(k) and _is_value(v) for k, v in value.items())


def _seconds(default: Any = _REQUIRED) -> Key:
    return Key(f"seconds, 0 to {MOST:g}", lambda v: _is_number(v) and v >= 0, default)


def _positive(unit: str) -> Key:
    return Key(f"{unit}, more than 0 and up to {MOST:g}", lambda v: _is_number(v) and v > 0)


def _share(default: Any = _REQUIRED) -> Key:
    return Key("a share from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1, default)


def _count(least: int, default: Any = _REQUIRED) -> Key:
    return Key(f"a whole number, {least} or more", lambda v: _is_whole(v) and v >= least, default)


def _status(default: Any = _REQUIRED) -> Key:
    return Key("a status, 200 to 599", lambda v: _is_whole(v) and 200 <= v <= 599, default)


HTTP_ACTIONS: Mapping[str, Mapping[str, Key]] = {
    "status": {
        "status": _status(),
        "body": Key(
            "a text, or null for a problem document", lambda v: v is None or _is_text(v), None
        ),
        "headers": Key(
            f"an object of texts of one line, for headers {_NO_FRAMING}", _are_headers, {}
        ),
        "is_forwarded": Key("true or false", lambda v: isinstance(v, bool), False),
    },
    "delay": {"delay_s": _seconds(), "jitter_s": _seconds(0.0)},
    "truncate": {
        "keep": Key("a share from 0 to less than 1", lambda v: _is_number(v) and 0 <= v < 1, 0.5)
    },
    "malform": {},
    "slow_body": {"rate": _positive("bytes per second")},
    "drop": {"first": _count(0, 0)},
    "gateway_timeout": {"timeout_s": _seconds(), "status": _status(504)},
    "throttle": {
        "limit": _count(0),
        "period_s": _positive("seconds"),
        "status": _status(408),
    },
    "set_header": {
        "header": Key(f"the name of a header {_NO_FRAMING}", _is_header),
        "value": Key("a text of one line without blanks around it", _is_value),
    },
    "duplicate": {
        "copies": Key(
            f"a whole number, 1 to {MOST_COPIES}", lambda v: _is_whole(v) and 1 <= v <= MOST_COPIES
        ),
        "spread_s": _seconds(0.0),
    },
}
"""What can be done to requests, each with its own keys."""
CONNECTION_ACTIONS: Mapping[str, Mapping[str, Key]] = {"refuse": {}, "half_open": {}}
"""What can be done to all connections of a way, whatever they carry."""
ACTIONS = {**HTTP_ACTIONS, **CONNECTION_ACTIONS}

_COMMON: Mapping[str, Key] = {
    "way": Key("the name of a way", _is_text),
    "action": Key(f"one of {', '.join(ACTIONS)}", lambda v: _is_text(v) and v in ACTIONS),
    "seed": Key("a whole number", _is_whole, 0),
    "match": Key("an object", lambda v: isinstance(v, dict), {}),
}
_MATCH: Mapping[str, Key] = {
    "method": Key("a method such as POST, or *", _is_name, "*"),
    "path": Key("a glob such as /orders*", _is_text, "*"),
    "share": _share(1.0),
    "users": _share(1.0),
    "user_from": Key(
        'one of {"header": NAME}, {"json": KEY}, {"path": REGEX WITH ONE GROUP}',
        lambda v: isinstance(v, dict) and len(v) == 1 and _is_text(next(iter(v.values()))),
        None,
    ),
}


@dataclass(slots=True)
class Counters:
    """What became of a rule: requests that it took, acted on, and that the server saw; connections it touched."""

    matched: int = 0
    applied: int = 0
    forwarded: int = 0
    connections: int = 0


@dataclass(slots=True)
class Rule:
    """A rule in force until `ended` is set."""

    name: str
    way: str
    action: str
    seed: int
    match: Match
    keys: Mapping[str, Any]
    body: Mapping[str, Any]
    counters: Counters = field(default_factory=Counters)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_of_connections(self) -> bool:
        """Whether it acts on connections and not on requests."""
        return self.action in CONNECTION_ACTIONS

    def chooses(self, asked: Asked) -> bool:
        """Whether it is meant for this request; counts it as matched when route and user fit."""
        if not self.match.takes(asked, self.seed, self.name):
            return False
        self.counters.matched += 1
        return self.match.chooses(self.counters.matched, self.seed, self.name)

    def told(self) -> dict[str, Any]:
        """What the API tells of it."""
        return {"body": dict(self.body), "counters": asdict(self.counters)}


def parse_rule(name: str, body: object) -> Rule:
    """The rule of a JSON document. Raises RuleError."""
    if not isinstance(body, dict):
        raise RuleError("a rule is a JSON object")
    common = _read(_COMMON, body)
    action = common["action"]
    if action in CONNECTION_ACTIONS and common["match"]:
        raise RuleError(f"{action} acts on connections: it has no match")
    keys = _read(ACTIONS[action], body, {*_COMMON, *ACTIONS[action]})
    if action == "delay" and keys["jitter_s"] > keys["delay_s"]:
        raise RuleError("jitter_s is at most delay_s")
    match = _match(common["match"])
    return Rule(name, common["way"], action, common["seed"], match, keys, body)


def _read(
    keys: Mapping[str, Key], given: Mapping[str, Any], known: set[str] | None = None
) -> dict[str, Any]:
    if known is not None and (unknown := given.keys() - known):
        raise RuleError(f"no key {min(unknown)!r} here; there are {', '.join(sorted(known))}")
    return {name: key.read(name, given) for name, key in keys.items()}


def _match(given: Mapping[str, Any]) -> Match:
    keys = _read(_MATCH, given, set(_MATCH))
    user_from = _user_from(keys.pop("user_from"))
    if keys["users"] < 1.0 and user_from == UserFrom():
        raise RuleError(f"users needs user_from: {_MATCH['user_from'].takes}")
    return Match(**keys, user_from=user_from)


def _user_from(given: Mapping[str, str] | None) -> UserFrom:
    if given is None:
        return UserFrom()
    ((where, text),) = given.items()
    if where not in {"header", "json", "path"} or not text:
        raise RuleError(f"user_from is {_MATCH['user_from'].takes}")
    if where != "path":
        return UserFrom(header=text) if where == "header" else UserFrom(json=text)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise RuleError(f"user_from.path is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise RuleError(f"user_from.path needs one group, {text!r} has {pattern.groups}")
    return UserFrom(path=pattern)
