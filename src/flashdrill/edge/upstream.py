"""The server's side of HTTP: what is asked of it, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import h11

from flashdrill.edge.match import Asked
from flashdrill.edge.wire import Wire

HEAD_LIMIT_BYTES = 64 * 1024
ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
"""An answer that a rule damages is kept whole up to here; a longer one ends the connection."""
ABANDONED_TIMEOUT_S = 60.0
"""For the server's answer to a request that nobody waits for any more."""
Told: TypeAlias = h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage
"""What a server can tell."""


class CutError(ConnectionError):
    """The server's answer ended before it was whole."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. `end` is None while more of the body is still to come."""

    head: h11.Request
    body: bytes
    end: h11.EndOfMessage | None

    @property
    def has_rest(self) -> bool:
        """Whether more of the body is still to come."""
        return self.end is None

    @property
    def asked(self) -> Asked:
        """As rules see it."""
        path = self.head.target.decode("latin-1").partition("?")[0]
        headers = self.head.headers.raw_items()
        return Asked(self.head.method.decode(), path, headers, None if self.has_rest else self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's whole answer."""

    head: h11.Response
    body: bytes


class Upstream:
    """The server's side: one connection, one exchange at a time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.state = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT_BYTES)

    async def ask(self, request: Request) -> None:
        """Send the request, or as much as there is of it. Raises ConnectionError."""
        data = self.state.send(_asked(request.head)) or b""
        if request.body:
            data += self.state.send(h11.Data(request.body)) or b""
        if request.end:
            data += self.state.send(request.end) or b""
        await self.wire.send(data)

    async def more(self, event: h11.Data | h11.EndOfMessage) -> None:
        """Send more of a long body."""
        await self.wire.send(self.state.send(event) or b"")

    async def answer(self) -> AsyncIterator[Told]:
        """The answer as it comes. Raises CutError when it ends early, h11.RemoteProtocolError when it is no HTTP."""
        while True:
            event = self.state.next_event()
            if event is h11.NEED_DATA:
                self.state.receive_data(await self.wire.receive())
                continue
            if not isinstance(event, Told):
                raise CutError("the server closed the connection before it had answered")
            yield _answered(event) if isinstance(event, h11.Response) else event
            if isinstance(event, h11.EndOfMessage):
                return

    async def whole_answer(self) -> Answer:
        """The answer when it is complete. Raises as `answer` does."""
        head, body = None, bytearray()
        async for event in self.answer():
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > ANSWER_LIMIT_BYTES:
                    raise CutError(f"the answer is longer than {ANSWER_LIMIT_BYTES} bytes")
        assert head is not None
        return Answer(head, bytes(body))

    @property
    def can_go_on(self) -> bool:
        """Whether another exchange is possible once this one is over."""
        return self.state.our_state is h11.DONE and self.state.their_state is h11.DONE

    async def finish(self) -> None:
        """Let the server do what it was asked, for a while; nobody hears its answer."""
        try:
            if self.state.their_state in {h11.SEND_RESPONSE, h11.SEND_BODY}:
                async with asyncio.timeout(ABANDONED_TIMEOUT_S):
                    await self.whole_answer()
        finally:
            self.wire.close()


def _asked(head: h11.Request) -> h11.Request:
    """The same of HTTP/1.1, the only version that h11 sends."""
    if head.http_version == b"1.1":
        return head
    headers = head.headers.raw_items()
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.append((b"Host", b""))
    return h11.Request(method=head.method, target=head.target, headers=headers)


def _answered(head: h11.Response) -> h11.Response:
    """The same of HTTP/1.1; h11 frames the body for the client that it goes to."""
    if head.http_version == b"1.1":
        return head
    headers = head.headers.raw_items()
    return h11.Response(status_code=head.status_code, headers=headers, reason=head.reason)


async def ask_once(wire: Wire, request: Request) -> Answer:
    """The whole answer of a server to one request on a connection of its own. Raises as `answer` does, TimeoutError."""
    upstream = Upstream(wire)
    try:
        await upstream.ask(request)
        async with asyncio.timeout(ABANDONED_TIMEOUT_S):
            return await upstream.whole_answer()
    finally:
        wire.close()
