"""The names of a run's hosts, as the harness itself sees them: looked up before the run, and not again.

The load process has its own addresses (`load.spec`). What the harness asks by name, such as metrics and final reads,
goes through the event loop's `getaddrinfo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flashdrill.model.hosts import Addresses


@contextmanager
def pinned(addresses: Addresses) -> Iterator[None]:
    """Within it these names have these addresses for everything that runs on this loop."""
    loop: Any = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host or ""
        known = addresses.get(name.lower().rstrip("."))
        if known is None:
            return list(await look_up(host, port, **options))
        return [found for each in known for found in await look_up(each, port, **options)]

    loop.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        loop.getaddrinfo = look_up
