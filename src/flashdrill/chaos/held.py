"""A canary's connection that stays open, to be asked on again later."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from flashdrill.chaos.canary import Reading, Seen, Talk, dialect_of
from flashdrill.chaos.question import Exchange, Question
from flashdrill.chaos.target import Address, Target
from flashdrill.chaos.wire import Wire, connect

OPEN_TIMEOUT_S = 1.0


class Held:
    """One connection. `close` it; that can be done twice."""

    def __init__(self, target: Target, wire: Wire, stack: AsyncExitStack) -> None:
        self._target = target
        self._wire = wire
        self._stack = stack

    @classmethod
    async def open(cls, target: Target, address: Address) -> Held:
        """Connect. Raises OSError, TimeoutError."""
        async with AsyncExitStack() as stack, asyncio.timeout(OPEN_TIMEOUT_S):
            wire = await stack.enter_async_context(connect(address))
            return cls(target, wire, stack.pop_all())

    async def ask(self, timeout_s: float) -> Reading:
        """A small question on this connection; never raises for what the network does."""
        now = asyncio.get_running_loop().time
        began, before = now(), self._wire.received
        try:
            async with asyncio.timeout(timeout_s):
                seen = Seen.ANSWERED if await self._talk()(self._wire) else Seen.CLOSED
        except TimeoutError:
            seen = Seen.SILENT
        except ConnectionResetError:
            seen = Seen.RESET
        except OSError:
            seen = Seen.CLOSED
        return Reading(seen, now() - began, received=self._wire.received - before)

    async def close(self) -> None:
        """Let go of it."""
        await self._stack.aclose()

    def _talk(self) -> Talk:
        """PostgreSQL takes a second SSLRequest for an unknown version, and says so: that is an answer too."""
        dialect = dialect_of(self._target)
        assert dialect is not None
        return Exchange(Question(stays=True)) if dialect.name == "http" else dialect.talk
