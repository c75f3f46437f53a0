"""A way that knows nothing of what it carries: bytes in both directions."""

from __future__ import annotations

import asyncio

from flashdrill.edge.connection import Connection
from flashdrill.edge.wire import Wire


async def relay(connection: Connection) -> None:
    """Carry bytes until both sides have ended. Raises ConnectionError when one of them is reset."""
    server = await connection.reach()
    async with asyncio.TaskGroup() as group:
        group.create_task(_upward(connection, server))
        group.create_task(_downward(connection, server))


async def _upward(connection: Connection, server: Wire) -> None:
    while data := await connection.take():
        await server.send(data)
    server.send_end()


async def _downward(connection: Connection, server: Wire) -> None:
    while data := await server.receive():
        await connection.give(data)
    await connection.end()
