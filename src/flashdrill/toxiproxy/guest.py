"""Our proxies on somebody else's Toxiproxy server, and the promise that it is given back exactly as it was found.

Theirs are never changed here, only compared; ours have names of their own, and go when we leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flashdrill.errors import ToxiproxyError
from flashdrill.model.journal import Journal
from flashdrill.toxiproxy.client import Toxiproxy


def alias(token: str, proxy: str) -> str:
    """What a proxy of ours is called there; `token` makes it different from everybody else's."""
    return f"flashdrill-{token}-{proxy}"


class Guest:
    """One stay. With a journal, whoever reads it can remove our proxies when this process was killed."""

    def __init__(self, url: str, journal: Path | None = None) -> None:
        self.server = Toxiproxy(url)
        self._journal = journal
        self._found: Mapping[str, Any] = {}
        self._ours: list[str] = []

    @property
    def found(self) -> Mapping[str, Any]:
        """Their proxies as the server told them when we came, by name."""
        return self._found

    async def arrive(self) -> None:
        """Look at what is there. Raises ToxiproxyError."""
        self._found = await self.server.listing()

    async def settle(self, proxies: Iterable[tuple[str, str, str]]) -> None:
        """Make our proxies: (name there, listen, upstream). Raises ToxiproxyError; `leave` removes what was made."""
        for name, listen, upstream in proxies:
            if name in self._found:
                raise ToxiproxyError(f"{self.server.url} has a proxy {name} already", status=409)
            self._ours.append(name)
            self._note(name, {"type": "proxy_gone", "api": self.server.url, "proxy": name})
            await self.server.create(name, listen, upstream)

    async def leave(self) -> tuple[str, ...]:
        """Remove our proxies; what is not as it was found, in words: nothing, unless somebody else changed it."""
        for name in self._ours:
            await self.server.delete(name)
            self._note(name, None)
        self._ours.clear()
        return tuple(differences(self._found, await self.server.listing()))

    def _note(self, name: str, undo: dict[str, Any] | None) -> None:
        """In the journal: before it is made, and when it is gone."""
        if self._journal is None:
            return
        journal = Journal(self._journal)
        try:
            if undo is None:
                journal.healed(f"the proxy {name}")
            else:
                journal.injecting(f"the proxy {name}", undo)
        finally:
            journal.close()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """How two listings differ, the order of toxics included."""
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"the proxy {name} is gone"
        elif name not in before:
            yield f"the proxy {name} is new"
        else:
            yield from _changes(name, before[name], after[name])


def _changes(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"{key} of the proxy {name} was {before.get(key)!r} and is {after.get(key)!r}"
