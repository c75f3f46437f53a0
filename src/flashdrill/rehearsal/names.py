"""The names of a run's hosts, as the harness itself sees them: looked up before the run, and not again.

The load process has its own addresses (`load.spec`). What the harness asks by name, such as metrics and final reads,
goes through the event loop's `getaddrinfo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flashdrill.model.hosts import LOCALHOST, Addresses


@contextmanager
def pinned(addresses: Addresses) -> Iterator[None]:
    """Within it these names have these addresses for everything that runs on this loop, and `localhost` is loopback."""
    loop: Any = asyncio.get_running_loop()
    look_up = loop.getaddrinfo
    pins = {**addresses, "localhost": LOCALHOST}

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host or ""
        known = pins.get(name.lower().rstrip("."))
        if known is None:
            return list(await look_up(host, port, **options))
        found: list[Any] = []
        error = OSError(f"{name} has no address")
        for each in known:
            try:
                found += await look_up(each, port, **options)
            except (
                OSError
            ) as refused:  # an address of a family that was not asked for, or is not here
                error = refused
        if not found:
            raise error
        return found

    loop.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        loop.getaddrinfo = look_up
