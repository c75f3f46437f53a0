"""A client's connection and its own connection to the server: one for one, as if there were no edge."""

from __future__ import annotations

import asyncio

from flashdrill.edge.rule import Rule
from flashdrill.edge.wire import Wire

CONNECT_TIMEOUT_S = 10.0


class Connection:
    """What a client sends and gets.

    While a rule swallows it, what the client sends is thrown away and nothing comes back; when that rule ends it is
    reset.
    """

    def __init__(self, client: Wire, upstream: tuple[str, int]) -> None:
        self.client = client
        self.server: Wire | None = None
        self._upstream = upstream
        self._swallowed_by: Rule | None = None

    async def reach(self) -> Wire:
        """The server, connected to when there is no connection. Raises OSError, TimeoutError."""
        if self.server is None:
            self.server = await connect(self._upstream)
        return self.server

    def leave_server(self) -> Wire:
        """The connection to the server, which this one has no more to do with."""
        server, self.server = self.server, None
        assert server is not None
        return server

    def swallow(self, rule: Rule) -> bool:
        """Fall silent; False when it is silent already or gone."""
        if self._swallowed_by is not None or self.client.is_lost:
            return False
        self._swallowed_by = rule
        return True

    def release(self, rule: Rule) -> None:
        """Reset it if this rule swallowed it."""
        if self._swallowed_by is rule:
            self.abort()

    async def take(self) -> bytes:
        """What the client sent; nothing at its end. Raises ConnectionError."""
        while True:
            data = await self.client.receive()
            if self._swallowed_by is None:
                return data
            if not data:
                await self._until_released(self._swallowed_by)

    async def give(self, data: bytes) -> None:
        """Send to the client. Raises ConnectionError when it is gone."""
        if self._swallowed_by is not None:
            await self._until_released(self._swallowed_by)
        await self.client.send(data)

    async def end(self) -> None:
        """Tell the client that nothing more will come."""
        if self._swallowed_by is not None:
            await self._until_released(self._swallowed_by)
        self.client.send_end()

    def server_ended(self) -> None:
        """The server has ended between two exchanges: so does this, unless it is silent."""
        if self._swallowed_by is None:
            self.close()

    def close(self) -> None:
        """Close both sides when everything is written."""
        for wire in (self.client, self.server):
            if wire is not None:
                wire.close()

    def abort(self) -> None:
        """Reset both sides."""
        for wire in (self.client, self.server):
            if wire is not None:
                wire.abort()

    async def until_released(self) -> None:
        """Stay silent while a rule swallows it; the server's end makes no difference."""
        if self._swallowed_by is not None:
            await self._swallowed_by.ended.wait()

    async def _until_released(self, rule: Rule) -> None:
        await rule.ended.wait()
        raise ConnectionResetError("it was half open, and is reset")


async def connect(upstream: tuple[str, int]) -> Wire:
    """A connection to a server. Raises OSError, TimeoutError."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        _, wire = await asyncio.get_running_loop().create_connection(Wire, *upstream)
    return wire
