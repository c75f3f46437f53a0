"""The edge's control API, from the harness's side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from flashdrill.errors import EdgeError

_REMEDY = "see the edge's log in the folder of the stack"


class Edge:
    """One edge. Every failure is an EdgeError; no call takes longer than `timeout_s`."""

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        self.url = url
        self.timeout_s = timeout_s

    async def put(self, rule: str, body: Mapping[str, Any]) -> None:
        """A rule in force from now on, on open connections too. EdgeError with the edge's words when it is refused."""
        await self._call("PUT", f"/rules/{quote(rule, safe='')}", body)

    async def remove(self, rule: str) -> bool:
        """End a rule; False when there was none."""
        try:
            await self._call("DELETE", f"/rules/{quote(rule, safe='')}")
        except EdgeError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def rules(self) -> dict[str, dict[str, Any]]:
        """Every rule in force by name, with its `body` and its `counters`."""
        return await self._call("GET", "/rules")

    async def ways(self) -> dict[str, dict[str, Any]]:
        """Every way by name: mode, listen, upstream, connections, is_listening."""
        return await self._call("GET", "/ways")

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, self.url + path, json=body) as reply,
            ):
                document = await reply.json() if reply.content_length else {}
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            words = str(error) or f"no answer within {self.timeout_s:g} s"
            raise EdgeError(
                f"the edge at {self.url} did not answer: {words}", remedy=_REMEDY
            ) from error
        if reply.status >= 400:
            words = document.get("error", "no reason given")
            raise EdgeError(f"the edge refused {method} {path}: {words}", status=reply.status)
        return dict(document)
