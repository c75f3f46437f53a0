"""A proxy: a listening address, an upstream, toxics, and the connections through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from flashdrill.toxiproxy.embedded import address
from flashdrill.toxiproxy.embedded.connection import Connection
from flashdrill.toxiproxy.embedded.metrics import Metrics
from flashdrill.toxiproxy.embedded.room import Room
from flashdrill.toxiproxy.embedded.toxic import DOWNSTREAM, STREAMS, UPSTREAM, Toxic

DIAL_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 20_000
"""Clients of one proxy at a time; one more is accepted and closed."""


class Proxy:
    """One proxy. `owner` owns the tasks that dial the upstream; `seed` decides what is left to chance."""

    def __init__(
        self,
        name: str,
        listen: str,
        upstream: str,
        *,
        owner: asyncio.TaskGroup,
        seed: int,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.is_enabled = False
        self._owner = owner
        self._seed = seed
        self._metrics = metrics
        self._toxics: dict[str, list[Toxic]] = {UPSTREAM: [], DOWNSTREAM: []}
        self._connections: set[Connection] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._room = Room()
        self._accepted = 0
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None

    def shown(self) -> dict[str, Any]:
        """As the API shows it (`Logger` is there because the real server has it)."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.is_enabled,
            "Logger": {},
            "toxics": [toxic.shown() for toxic in self.toxics],
        }

    # Listening

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are other addresses than its own. Raises AddressError."""
        return self.listen != await address.canonical(listen) or self.upstream != upstream

    async def start(self) -> None:
        """Accept clients; nothing happens if it already does. Raises AddressError."""
        if self.is_enabled:
            return
        sock = await address.bind(self.listen)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._connection().client, sock=sock, backlog=address.BACKLOG
        )
        self._socket = sock
        self.listen = address.shown(sock)
        self.is_enabled = True

    def stop(self) -> None:
        """Refuse new clients, close the connections; port and toxics survive."""
        if not self.is_enabled:
            return
        self.is_enabled = False
        assert self._server is not None
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.shutdown(
                socket.SHUT_RDWR
            )  # refuses from now on, whenever the loop closes it
        self._server.close()
        for dial in self._dials:
            dial.cancel()
        for connection in list(self._connections):
            connection.abort()

    async def update(self, listen: str, upstream: str, *, is_enabled: bool) -> None:
        """Move to other addresses, or start or stop. Raises AddressError; then it may have stopped."""
        if await self.differs(listen, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if is_enabled:
            await self.start()
        else:
            self.stop()

    # Toxics

    @property
    def toxics(self) -> list[Toxic]:
        """Upstream first, each direction by insertion."""
        return [toxic for direction in STREAMS for toxic in self._toxics[direction]]

    def toxic(self, name: str) -> Toxic | None:
        """The toxic of this name in either direction."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    def add(self, toxic: Toxic) -> None:
        """Work with one more toxic, also on existing connections."""
        self._toxics[toxic.direction].append(toxic)
        self._apply(toxic.direction)

    def updated(self, toxic: Toxic) -> None:
        """Take over a toxic's changed attributes and toxicity."""
        for connection in list(self._connections):
            if link := connection.link(toxic.direction):
                link.retune(toxic)
        self._apply(toxic.direction)

    def remove(self, toxic: Toxic) -> None:
        """Work without the toxic; what it holds goes on at once."""
        self._toxics[toxic.direction].remove(toxic)
        self._apply(toxic.direction)

    def clear(self) -> None:
        """Remove every toxic."""
        for direction in STREAMS:
            self._toxics[direction].clear()
            self._apply(direction)

    # Connections

    def _connection(self) -> Connection:
        self._accepted += 1
        return Connection(
            self._accepted,
            f"{self._seed}/{self.name}/{self._accepted}",
            room=self._room,
            traffic=self._metrics.traffic(self.name, self.listen, self.upstream),
            accepted=self._admit,
            joined=self._joined,
            gone=self._connections.discard,
        )

    def _admit(self, connection: Connection) -> None:
        if not self.is_enabled or len(self._connections) >= MAX_CONNECTIONS:
            connection.abort()
            return
        self._connections.add(connection)
        dial = self._owner.create_task(self._dial(connection))
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)

    async def _dial(self, connection: Connection) -> None:
        """Reach the upstream; without it the client is closed."""
        loop = asyncio.get_running_loop()
        try:
            host, service = address.split(self.upstream)
            port = address.port_number(service)
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                await loop.create_connection(lambda: connection.server, host, port)
        except Exception:  # whatever it is, it is this client's alone: its task group is everyone's
            connection.abort()

    def _joined(self, connection: Connection) -> None:
        if not self.is_enabled:
            connection.abort()
        for direction in STREAMS:
            connection.apply(direction, self._chosen(direction, connection.number))

    def _apply(self, direction: str) -> None:
        for connection in list(self._connections):
            connection.apply(direction, self._chosen(direction, connection.number))

    def _chosen(self, direction: str, number: int) -> list[Toxic]:
        toxics = self._toxics[direction]
        return [toxic for toxic in toxics if toxic.chooses(self._seed, self.name, number)]
