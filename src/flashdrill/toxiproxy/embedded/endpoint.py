"""One socket of a connection: what it reads feeds one link, and the other link writes to it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from flashdrill.toxiproxy.embedded.link import Link
from flashdrill.toxiproxy.embedded.room import BUFFER_BYTES

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
        self.write = self._writer()
        self.is_open = True
        self._made()

    def _writer(self) -> Callable[[bytes], None]:
        """What the link writes with."""
        return self.transport.write

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


class CountedEndpoint(Endpoint):
    """An endpoint that tells how many bytes it reads and writes: more work a chunk, so only where it is asked for."""

    def __init__(
        self,
        made: Callable[[], None],
        lost: Callable[[], None],
        *,
        received: Callable[[int], None],
        sent: Callable[[int], None],
    ) -> None:
        super().__init__(made, lost)
        self._received = received
        self._sent = sent

    def data_received(self, data: bytes) -> None:
        """Count, then give on."""
        self._received(len(data))
        self.receive(data)

    def _writer(self) -> Callable[[bytes], None]:
        send, sent = self.transport.write, self._sent

        def write(data: bytes) -> None:
            sent(len(data))
            send(data)

        return write
