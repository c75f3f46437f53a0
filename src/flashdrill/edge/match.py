"""Which requests a rule is meant for."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from flashdrill.model.chance import place


@dataclass(frozen=True)
class Asked:
    """A request as rules see it. `body` is None when it is too long to be kept."""

    method: str
    path: str  # without the query
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes | None = b""

    def header(self, name: str) -> str | None:
        """The first value of a header; None when it has none."""
        wanted = name.lower().encode()
        return next((v.decode("latin-1") for k, v in self.headers if k.lower() == wanted), None)

    @cached_property
    def document(self) -> Mapping[str, object]:
        """The body as a JSON object; an empty one when it is none."""
        try:
            found = json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class UserFrom:
    """Where a request names its user: one of a header, a key of its JSON body, a part of its path."""

    header: str = ""
    json: str = ""
    path: re.Pattern[str] | None = None

    def user(self, asked: Asked) -> str | None:
        """The user; None when the request names none."""
        if self.header:
            return asked.header(self.header)
        if self.json:
            value = asked.document.get(self.json)
            return None if value is None else str(value).encode(errors="replace").decode()
        found = self.path.search(asked.path) if self.path else None
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Match:
    """Requests by method, path (a glob), share of them (0 to 1), and share of the users."""

    method: str = "*"
    path: str = "*"
    share: float = 1.0
    users: float = 1.0
    user_from: UserFrom = field(default_factory=UserFrom)

    def takes(self, asked: Asked, seed: int, rule: str) -> bool:
        """Whether the route and the user fit. The same users are chosen whenever the seed is the same."""
        if self.method not in {"*", asked.method} or not fnmatch.fnmatchcase(asked.path, self.path):
            return False
        if self.users >= 1.0:
            return True
        user = self.user_from.user(asked)
        return user is not None and place(seed, rule, "user", user) < self.users

    def chooses(self, nth: int, seed: int, rule: str) -> bool:
        """Whether the nth request that it takes is one of the share."""
        return self.share >= 1.0 or place(seed, rule, "request", str(nth)) < self.share
