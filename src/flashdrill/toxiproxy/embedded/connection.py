"""A client's connection through a proxy: two sockets and two links.

    client ──upstream link──> server
    client <──downstream link── server

The end of one direction, once it has passed the toxics, closes the other socket for good, as in the real
server: there is no half-closed connection behind a proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flashdrill.toxiproxy.embedded.endpoint import CountedEndpoint, Endpoint
from flashdrill.toxiproxy.embedded.link import Link
from flashdrill.toxiproxy.embedded.metrics import Traffic
from flashdrill.toxiproxy.embedded.room import Room
from flashdrill.toxiproxy.embedded.toxic import DOWNSTREAM, UPSTREAM, Toxic


class Connection:
    """One accepted client. `number` counts the proxy's connections from 1; `random_key` seeds its randomness.

    `traffic` counts its bytes, where they are counted.
    """

    def __init__(
        self,
        number: int,
        random_key: str,
        *,
        room: Room,
        traffic: Traffic | None,
        accepted: Callable[[Connection], None],
        joined: Callable[[Connection], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self._random_key = random_key
        self._room = room
        self._on_accepted, self._on_joined, self._on_gone = accepted, joined, gone
        self.client = _endpoint(self._accepted, self._lost, traffic, UPSTREAM, DOWNSTREAM)
        self.server = _endpoint(self._joined, self._lost, traffic, DOWNSTREAM, UPSTREAM)
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


def _endpoint(
    made: Callable[[], None],
    lost: Callable[[], None],
    traffic: Traffic | None,
    reads: str,
    writes: str,
) -> Endpoint:
    """An endpoint that reads what goes in one direction and writes what goes in the other."""
    if traffic is None:
        return Endpoint(made, lost)
    return CountedEndpoint(made, lost, received=traffic.received[reads], sent=traffic.sent[writes])
