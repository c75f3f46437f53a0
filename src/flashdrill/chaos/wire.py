"""One TCP connection of a canary, on a bare socket: what it sees is what the kernel says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flashdrill.chaos.target import Address

READ_BYTES = 65_536


class Wire:
    """Sends and receives, and counts. Raises OSError as the socket does; the caller sets the time limit."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self.sent = 0
        self.received = 0
        self.reads = 0

    async def send(self, data: bytes) -> None:
        """Hand everything to the kernel."""
        await self._loop.sock_sendall(self._sock, data)
        self.sent += len(data)

    async def receive(self) -> bytes:
        """The next bytes; none at the end of the stream."""
        data = await self._loop.sock_recv(self._sock, READ_BYTES)
        self.received += len(data)
        self.reads += bool(data)
        return data

    def end(self) -> None:
        """Nothing more will be sent (FIN)."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def connect(address: Address) -> AsyncIterator[Wire]:
    """A connection that is closed at the end."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
        yield Wire(sock)
