"""Canaries: single small questions in a server's own protocol, asked through a proxy and past it.

| target   | question                | answer            |
|----------|-------------------------|-------------------|
| postgres | SSLRequest (8 bytes)    | one byte, N or S  |
| redis    | PING                    | +PONG, or -ERROR  |
| http     | GET /healthz            | a status line     |
| others   | a connection            | it is accepted    |

One connection each, bounded in time; no login, nothing stored.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from flashdrill.chaos.target import Address, Target
from flashdrill.chaos.wire import Wire, connect

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: canary\r\n"
CANARY_TIMEOUT_S = 1.0


class Seen(StrEnum):
    """What became of a question."""

    ANSWERED = "answered"
    SILENT = "silent"  # connected, and no answer in time
    CLOSED = "closed"  # connected, and the stream ended before the answer was complete
    RESET = "reset"  # connected, then ECONNRESET
    REFUSED = "refused"  # nobody listens
    UNREACHABLE = "unreachable"  # the connection did not come about for another reason


@dataclass(frozen=True, slots=True)
class Reading:
    """One canary. `waited_s` counts from the connection (or the attempt) to the answer, the end, or giving up."""

    seen: Seen
    waited_s: float
    sent: int = 0
    received: int = 0
    reads: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether the whole answer came."""
        return self.seen is Seen.ANSWERED


Talk = Callable[[Wire], Awaitable[bool]]
"""A conversation; whether it came to its proper end."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a protocol is asked; `starts` are the ways in which an answer can begin."""

    name: str
    question: bytes
    starts: tuple[bytes, ...]

    async def talk(self, wire: Wire) -> bool:
        """Ask once."""
        await wire.send(self.question)
        answer = b""
        while len(answer) < len(self.starts[0]):
            data = await wire.receive()
            if not data:
                return False
            answer += data
        return answer.startswith(self.starts)


DIALECTS = {
    "postgres": Dialect("postgres", _SSL_REQUEST, (b"N", b"S", b"E")),
    "redis": Dialect("redis", b"PING\r\n", (b"+", b"-")),
    "http": Dialect("http", _HEALTHZ + b"Connection: close\r\n\r\n", (b"HTTP/",)),
}


def dialect_of(target: Target) -> Dialect | None:
    """The protocol that a target speaks, None when nobody knows."""
    return next((DIALECTS[kind] for kind in DIALECTS if kind in target.kinds), None)


async def ask(target: Target, address: Address, timeout_s: float = CANARY_TIMEOUT_S) -> Reading:
    """Ask a target one small question at one of its addresses. Never raises for what the network does."""
    dialect = dialect_of(target)
    return await converse(address, accepted if dialect is None else dialect.talk, timeout_s)


async def converse(address: Address, talk: Talk, timeout_s: float) -> Reading:
    """Hold a conversation and say how it ended. Never raises for what the network does."""
    now = asyncio.get_running_loop().time
    began, wire = now(), None
    try:
        async with asyncio.timeout(timeout_s), connect(address) as wire:
            began = now()
            seen = Seen.ANSWERED if await talk(wire) else Seen.CLOSED
    except TimeoutError:
        seen = Seen.UNREACHABLE if wire is None else Seen.SILENT
    except OSError as error:
        seen = _meaning(error, is_connected=wire is not None)
    waited_s = now() - began
    if wire is None:
        return Reading(seen, waited_s)
    return Reading(seen, waited_s, wire.sent, wire.received, wire.reads)


def _meaning(error: OSError, *, is_connected: bool) -> Seen:
    if isinstance(error, ConnectionRefusedError):
        return Seen.REFUSED
    if not is_connected:
        return Seen.UNREACHABLE
    return Seen.RESET if isinstance(error, ConnectionResetError) else Seen.CLOSED


async def accepted(_wire: Wire) -> bool:
    """The shortest conversation: to be connected is enough."""
    return True
