"""A client's connection through a proxy: two sockets and two links.

    client ──upstream link──> server
    client <──downstream link── server

The end of one direction, once it has passed the toxics, closes the other socket for good, as in the real
server: there is no half-closed connection behind a proxy.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from typing import cast

from flashdrill.toxiproxy.embedded.link import Link
from flashdrill.toxiproxy.embedded.room import BUFFER_BYTES, Room
from flashdrill.toxiproxy.embedded.toxic import DOWNSTREAM, UPSTREAM, Toxic

_NO_LINGER = struct.pack("ii", 1, 0)


class Endpoint(asyncio.Protocol):
    """One socket: it feeds the link `out`, and the link `back` writes to it."""

    transport: asyncio.Transport
    write: Callable[[bytes], None]

    def __init__(self, made: Callable[[], None], lost: Callable[[], None]) -> None:
        self.receive: Callable[[bytes], None] = self._keep
        self.out: Link | None = None
        self.back: Link | None = None
        self.is_open = False
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._has_ended = False
        self._made = made
        self._lost = lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.write = self.transport.write
        self.is_open = True
        self._made()

    def data_received(self, data: bytes) -> None:
        """To the link, or straight to the other socket."""
        self.receive(data)

    def eof_received(self) -> bool:
        """The link closes the other side when the end has passed its toxics; this side stays open till then."""
        self._has_ended = True
        if self.out is not None:
            self.out.source_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """An end for the link that it feeds, and for the one that writes to it."""
        self.is_open = False
        if self.back is not None:
            self.back.dest_ended()
        if self.out is not None:
            self.out.source_ended()
        self._lost()

    def pause_writing(self) -> None:
        """The buffer is full."""
        if self.back is not None:
            self.back.block()

    def resume_writing(self) -> None:
        """The buffer has room again."""
        if self.back is not None:
            self.back.unblock()

    def linked(self) -> None:
        """Both links are there: give on what came before."""
        early, self._early = self._early, []
        if self._early_bytes > BUFFER_BYTES:
            self.resume()  # before the link gets the data, which may hold the source back again
        for data in early:
            self.receive(data)
        if self._has_ended and self.out is not None:
            self.out.source_ended()

    def _keep(self, data: bytes) -> None:
        """What a client says before its server is reached; beyond a buffer's worth no more is read."""
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > BUFFER_BYTES:
            self.pause()

    def pause(self) -> None:
        """Stop reading."""
        if self.is_open and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.is_open and not self.transport.is_closing():
            self.transport.resume_reading()

    @property
    def buffered(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self.transport.get_write_buffer_size() if self.is_open else 0

    def limit(self, size: int) -> None:
        """Call the buffer full beyond so many bytes."""
        if self.is_open and not self.transport.is_closing():
            low = size // 4 if size <= BUFFER_BYTES else size
            self.transport.set_write_buffer_limits(high=size, low=low)

    def close(self) -> None:
        """Send what is buffered, then FIN."""
        if self.is_open:
            self.transport.close()

    def abort(self) -> None:
        """Close at once: FIN, or RST when the peer's data was not read."""
        if self.is_open:
            self.transport.abort()

    def reset(self) -> None:
        """Close at once with RST."""
        if self.is_open:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()


class Connection:
    """One accepted client. `number` counts the proxy's connections from 1; `random_key` seeds its randomness."""

    def __init__(
        self,
        number: int,
        random_key: str,
        *,
        room: Room,
        accepted: Callable[[Connection], None],
        joined: Callable[[Connection], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self._random_key = random_key
        self._room = room
        self._on_accepted, self._on_joined, self._on_gone = accepted, joined, gone
        self.client = Endpoint(self._accepted, self._lost)
        self.server = Endpoint(self._joined, self._lost)
        self._links: dict[str, Link] = {}

    def link(self, direction: str) -> Link | None:
        """The link of a direction; None until the server was reached."""
        return self._links.get(direction)

    def apply(self, direction: str, toxics: Sequence[Toxic]) -> None:
        """Let exactly these toxics work on one direction."""
        if link := self._links.get(direction):
            link.apply(toxics)

    def abort(self) -> None:
        """Close both sockets at once; what is held is lost."""
        self._cut(Endpoint.abort)

    def reset(self) -> None:
        """RST to both sides."""
        self._cut(Endpoint.reset)

    def _cut(self, how: Callable[[Endpoint], None]) -> None:
        for link in self._links.values():
            link.dest_ended()
        how(self.client)
        how(self.server)

    def _accepted(self) -> None:
        self._on_accepted(self)

    def _joined(self) -> None:
        ends = {UPSTREAM: (self.client, self.server), DOWNSTREAM: (self.server, self.client)}
        for direction, (source, dest) in ends.items():
            key = f"{self._random_key}/{direction}"
            link = Link(source, dest, room=self._room, reset=self.reset, random_key=key)
            source.out = dest.back = self._links[direction] = link
        self._on_joined(self)
        if not self.client.is_open:
            self.server.abort()
        self.client.linked()

    def _lost(self) -> None:
        if not self.client.is_open and not self.server.is_open:
            self._on_gone(self)
