"""A server that answers every request at once with the same small JSON document: it says nothing of a service.

It never sleeps: to wake a sleeping process costs whoever sends to it up to 60 µs in a virtual machine, and a client
that sends fast enough to keep the server awake would look cheaper than it is.

python -m scripts.load.null_server PORT [SECONDS]
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import cast

HOST = "127.0.0.1"
LIFETIME_S = 600.0
"""It ends by itself, should nobody end it."""
DOCUMENT = b'{"order_id":"0123456789abcdef0123456789abcdef","order_no":"DY-2026-0000001","status":"placed"}'
ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Server: null\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT)
) + DOCUMENT
_LENGTH = b"content-length:"


class Answerer(asyncio.Protocol):
    """One connection; it reads no more of a request than its end."""

    def __init__(self) -> None:
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """An answer for each whole request."""
        data = self._left + data if self._left else data
        while (size := _size(data)) and len(data) >= size:
            data = data[size:]
            self._transport.write(ANSWER)
        self._left = data


def _size(data: bytes) -> int:
    """How long the first request is; 0 while its head is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = data[:end].lower()
    at = head.find(_LENGTH)
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return end + 4 + length


async def serve(port: int, lifetime_s: float = LIFETIME_S) -> None:
    """Serve for a while."""
    server = await asyncio.get_running_loop().create_server(Answerer, HOST, port, backlog=1024)
    async with server:
        print("ready", flush=True)
        end = time.monotonic() + lifetime_s
        while time.monotonic() < end:  # noqa: ASYNC110  (to stay awake is the point)
            await asyncio.sleep(0)


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(serve(int(sys.argv[1]), *map(float, sys.argv[2:3])))
