"""A customer who fills in templates: what stays the same for the whole journey, and what for one request."""

from __future__ import annotations

from random import Random
from typing import Any

from flashdrill.load.dice import dice
from flashdrill.load.session import Session


class Scene:
    """`kept` is the customer's (captured values among it), `fresh` is the request's.

    `rng` is a stream of its own: pauses before retries do not change what the next request asks for.
    """

    __slots__ = ("fresh", "kept", "rng", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rng: Random = dice(session.rng.getrandbits(64), 0)
        self.kept: dict[str, Any] = {}
        self.fresh: dict[str, Any] = {}
