"""Which requests an HTTP fault is meant for, and the canaries that are among them and do no harm.

| the fault's route and method      | canary                                                                    |
|-----------------------------------|---------------------------------------------------------------------------|
| covers GET /healthz               | GET /healthz                                                              |
| covers /healthz, another method   | that method on /healthz, without a body: refused as a method not allowed  |
| a path with `*`                   | the path with `canary` for the `*`: there is no such thing                |
| one path, GET or HEAD             | that path                                                                 |
| one path, POST                    | that path, without a body: refused as no request of its kind              |
| one path, PUT, PATCH, DELETE …    | must be named (`canary`)                                                  |
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from flashdrill.chaos.fault import Parameter
from flashdrill.chaos.question import Question
from flashdrill.errors import ConfigError

HEALTHZ = "/healthz"
USER = "{user}"
MOST_CANARIES = 40
"""In one round."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

SHARE = Parameter("share", 1.0, "the share of those requests that it is done to", "share")
COMMON: Mapping[str, Parameter] = {
    "route": Parameter("text", "*", "which paths, such as /orders*"),
    "method": Parameter("text", "*", "which method, such as POST; * is all of them"),
    "share": SHARE,
    "users": Parameter(
        "share", 1.0, "the share of the users that it is done to: always the same ones", "share"
    ),
    "user_key": Parameter(
        "text",
        "json:user_id",
        "where a request names its user: json:KEY of the body, header:NAME, or path:REGEX with one group",
    ),
    "canary": Parameter(
        "text",
        "",
        "the path of the canaries, when the one that the route suggests will not do; {user} stands for a user",
    ),
}


@dataclass(frozen=True, slots=True)
class Route:
    """Requests by method, path (a glob), share and users. Raises ConfigError when no canary can be among them."""

    path: str = "*"
    method: str = "*"
    share: float = 1.0
    users: float = 1.0
    user_key: str = "json:user_id"
    canary: str = ""

    def __post_init__(self) -> None:
        if self.has_users:
            self._check_users()
        path = self.canary_path
        if not fnmatchcase(path.partition("?")[0], self.path):
            raise ConfigError(
                f"the canary {path!r} is not on the route {self.path!r}",
                remedy="name a path that is on it (canary: /PATH)",
            )

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Route:
        """From the parameters in COMMON."""
        return cls(
            parameters["route"],
            parameters["method"].upper(),
            parameters["share"],
            parameters["users"],
            parameters["user_key"],
            parameters["canary"],
        )

    @property
    def has_users(self) -> bool:
        """Whether it goes by users."""
        return self.users < 1.0

    @property
    def is_every(self) -> bool:
        """Whether every request is meant."""
        return self.share >= 1.0 and not self.has_users

    def match(self) -> dict[str, Any]:
        """The `match` of an edge's rule."""
        match = {"method": self.method, "path": self.path, "share": self.share}
        if self.has_users:
            match |= {"users": self.users, "user_from": dict([self._user_from()])}
        return match

    @property
    def canaries(self) -> int:
        """How many to ask at once: with a share, about one in sixty rounds finds none."""
        if self.is_every:
            return 3
        expected = self.share * self.users
        return min(MOST_CANARIES, math.ceil(4 / expected)) if expected else 3

    @property
    def canary_method(self) -> str:
        """The method of the canaries."""
        if self.method != "*":
            return self.method
        return "POST" if self.has_users and self._user_from()[0] == "json" else "GET"

    @property
    def canary_path(self) -> str:
        """The path of the canaries. Raises ConfigError when it must be named."""
        if self.canary:
            return self.canary
        if fnmatchcase(HEALTHZ, self.path):
            return HEALTHZ
        if "*" in self.path:
            return self.path.replace("/*", "/canary").replace("*", "-canary")
        if self.canary_method in _READING | {"POST"}:
            return self.path
        raise ConfigError(
            f"a canary with {self.canary_method} {self.path} might do harm",
            remedy="name a path for the canaries that the service refuses (canary: /PATH)",
        )

    def questions(self) -> Iterator[Question]:
        """Canaries without end, each of another user where users count; every time the same."""
        for number in itertools.count():
            yield self._question(f"canary-{number}" if self.has_users else "")

    def _question(self, user: str) -> Question:
        path = self.canary_path.replace(USER, user)
        headers: dict[str, str] = {}
        body = b""
        if user:
            place, name = self._user_from()
            if place == "json":
                headers, body = {"Content-Type": "application/json"}, _json({name: user})
            elif place == "header":
                headers = {name: user}
        return Question(self.canary_method, path, headers, body)

    def _user_from(self) -> tuple[str, str]:
        place, _, name = self.user_key.partition(":")
        return place, name

    def _check_users(self) -> None:
        place, name = self._user_from()
        if place not in {"json", "header", "path"} or not name:
            raise ConfigError(
                f"user_key {self.user_key!r} says not where a request names its user",
                remedy="write json:KEY, header:NAME or path:REGEX",
            )
        if place == "json" and self.canary_method not in _WITH_BODY:
            raise ConfigError(
                f"a {self.canary_method} has no body to name its user in (user_key {self.user_key!r})",
                remedy="say method: POST, or name a header (user_key: header:NAME)",
            )
        if place == "path" and USER not in self.canary:
            raise ConfigError(
                "with users in the path, the canaries' path must be named",
                remedy=f"such as canary: /users/{USER}/orders",
            )


def _json(value: Mapping[str, str]) -> bytes:
    return json.dumps(value).encode()
