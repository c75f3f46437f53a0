"""The edge's control API, from the harness's side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Edge:
    """One edge. Every failure is an EdgeError; no call takes longer than `timeout_s`."""

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        self.url = url
        self.timeout_s = timeout_s

    async def put(self, rule: str, body: Mapping[str, Any]) -> None:
        """A rule in force from now on, on open connections too. EdgeError with the edge's words when it is refused."""
        raise NotImplementedError

    async def remove(self, rule: str) -> bool:
        """End a rule; False when there was none."""
        raise NotImplementedError

    async def rules(self) -> dict[str, dict[str, Any]]:
        """Every rule in force by name, with its `counters`."""
        raise NotImplementedError
