"""One way: a listener, the server behind it, and the connections that go through."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

import h11

from flashdrill.edge.connection import Connection
from flashdrill.edge.match import Asked
from flashdrill.edge.relay import relay
from flashdrill.edge.rule import Rule
from flashdrill.edge.treatment import Throttles, Treatment, treat
from flashdrill.edge.wire import Wire

Address = tuple[str, int]
BACKLOG = 1024
MOST_CONNECTIONS = 20_000
"""One more is closed at once."""
_EXPECTED = (ConnectionError, OSError, TimeoutError, h11.ProtocolError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaySpec:
    """A way as it is asked for."""

    name: str
    mode: Literal["http", "tcp"]
    listen: Address
    upstream: Address


class Way:
    """A way in operation; `group` owns what goes on in it. It is open after `open`."""

    def __init__(
        self,
        spec: WaySpec,
        group: asyncio.TaskGroup,
        serve: Callable[[Way, Connection], Awaitable[None]],
    ) -> None:
        self.spec = spec
        self.upstream = spec.upstream
        self.rules: dict[str, Rule] = {}
        self._group = group
        self._serve = serve
        self._throttles = Throttles()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._place = _reserved(spec.listen)

    async def open(self) -> None:
        """Listen. Raises OSError."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Wire(self._welcome), *self.spec.listen, reuse_address=True, backlog=BACKLOG
            )

    def shut(self) -> None:
        """Listen no more; connections that are open go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """End everything."""
        self.shut()
        for connection in list(self._connections):
            connection.abort()
        self._place.close()

    async def put(self, rule: Rule) -> None:
        """A rule from now on, in place of one of the same name. Raises OSError."""
        await self.remove(rule.name)
        self.rules[rule.name] = rule
        if rule.action == "refuse":
            rule.counters.applied, rule.counters.connections = 1, len(self._connections)
            self.shut()
        elif rule.action == "half_open":
            rule.counters.connections = sum(c.swallow(rule) for c in self._connections)
            rule.counters.applied = 1

    async def remove(self, name: str) -> bool:
        """End a rule and what it did; False when there was none. Raises OSError when the port cannot be opened."""
        rule = self.rules.pop(name, None)
        if rule is None:
            return False
        rule.ended.set()
        self._throttles.forget(rule)
        for connection in list(self._connections):
            connection.release(rule)
        if all(other.action != "refuse" for other in self.rules.values()):
            await self.open()
        return True

    def treat(self, asked: Asked) -> Treatment:
        """What the rules in force make of a request."""
        rules = [rule for rule in self.rules.values() if not rule.is_of_connections]
        return treat(asked, rules, self._throttles)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside the connection that it belongs to; its failures are of no interest."""
        self._group.create_task(_quietly(work))

    def told(self) -> dict[str, Any]:
        """What the API tells of it."""
        return {
            "mode": self.spec.mode,
            "listen": _text(self.spec.listen),
            "upstream": _text(self.spec.upstream),
            "connections": len(self._connections),
            "is_listening": self._server is not None,
        }

    def _welcome(self, client: Wire) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            client.abort()
            return
        connection = Connection(client, self.upstream)
        self._connections.add(connection)
        self._group.create_task(self._attend(connection))

    async def _attend(self, connection: Connection) -> None:
        try:
            await self._serve(self, connection)
        except* _EXPECTED:
            await connection.until_released()
            connection.abort()
        except* Exception:
            _log.exception("a connection of %s", self.spec.name)
            connection.abort()
        finally:
            connection.close()
            self._connections.discard(connection)


async def carry(_way: Way, connection: Connection) -> None:
    """Serve a connection of a way of mode tcp."""
    await relay(connection)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except _EXPECTED as error:
        _log.debug("left alone: %r", error)
    except Exception:
        _log.exception("beside a connection")


def _reserved(address: Address) -> socket.socket:
    """A socket that keeps the port while nobody listens: no outgoing connection is given it, and none gets in."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(address)
    return place


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
