"""The null server's answers from a process that sleeps in between and can be stopped.

python -m scripts.load.quick_server
"""

from __future__ import annotations

import asyncio
import contextlib

from scripts.load.null_server import HOST, LIFETIME_S, Answerer

BACKLOG = 1024
"""Connections that the kernel takes for it while it stands still: more than come then."""


async def serve() -> None:
    """Serve for a while; the first line says the port."""
    server = await asyncio.get_running_loop().create_server(Answerer, HOST, 0, backlog=BACKLOG)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.serve_forever(), LIFETIME_S)


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(serve())
