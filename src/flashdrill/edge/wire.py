"""One TCP connection as bytes in and bytes out, with bounded memory."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import cast

HIGH_WATER_BYTES = 256 * 1024
"""So much that nobody has taken is kept; then the peer is not read any further."""
WRITE_TIMEOUT_S = 600.0
"""A peer that does not read for so long is given up."""


class Wire(asyncio.Protocol):
    """One connection, taken from by one reader at a time."""

    def __init__(self, on_made: Callable[[Wire], None] | None = None) -> None:
        self.error: Exception | None = None
        self.is_ended = False
        self.is_lost = False
        self._on_made = on_made
        self._on_end: Callable[[], None] | None = None
        self._held = bytearray()
        self._is_paused = False
        self._arrived = asyncio.Event()
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._transport: asyncio.Transport

    # -- what asyncio tells ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        if self._on_made:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Keep it; stop reading when nobody takes it."""
        self._held += data
        if len(self._held) > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        """The peer sends nothing more; the other direction stays open."""
        self._end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; `exc` says that it was not closed in peace."""
        self.error, self.is_lost = exc, True
        self._can_write.set()
        self._end()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """It reads again."""
        self._can_write.set()

    def _end(self) -> None:
        is_first, self.is_ended = not self.is_ended, True
        self._arrived.set()
        if is_first and self._on_end:
            self._on_end()

    # -- what its owner does -----------------------------------------------------------------

    def when_ended(self, callback: Callable[[], None] | None) -> None:
        """Call this once the peer sends nothing more, or is gone; at once when that is so. None: nothing any more."""
        self._on_end = callback
        if callback and self.is_ended:
            callback()

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that was not taken yet."""
        return bool(self._held)

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; nothing at the end. Raises ConnectionError when it was reset."""
        while not self._held:
            if self.is_ended:
                if self.error:
                    raise ConnectionResetError(str(self.error)) from self.error
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._held)
        self._held.clear()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Write, and wait while the peer does not read. Raises ConnectionError when it is gone, TimeoutError."""
        if self.is_lost:
            raise ConnectionResetError("the connection is gone")
        self._transport.write(data)
        if not self._can_write.is_set():
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._can_write.wait()

    def send_end(self) -> None:
        """Say that nothing more will come."""
        if not self.is_lost and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Close it when everything is written."""
        self._transport.close()

    def abort(self) -> None:
        """Reset it: the peer gets a RST."""
        link = self._transport.get_extra_info("socket")
        with suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
