"""Every proxy of the server by name, and what the API may do with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from flashdrill.toxiproxy.embedded.address import AddressError
from flashdrill.toxiproxy.embedded.metrics import Metrics
from flashdrill.toxiproxy.embedded.proxy import Proxy


class PopulateError(Exception):
    """A proxy of a list could not be made; those before it were (`done`)."""

    def __init__(self, reason: AddressError, done: list[Proxy]) -> None:
        super().__init__(str(reason))
        self.done = done


class Registry:
    """The proxies. `change` is held by whoever changes them: listening takes more than one step."""

    def __init__(self, owner: asyncio.TaskGroup, seed: int, metrics: Metrics) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.metrics = metrics
        self.change = asyncio.Lock()
        self._owner = owner
        self._seed = seed

    async def add(self, wanted: Mapping[str, Any]) -> Proxy:
        """A new proxy from its fields. Raises AddressError; then there is none."""
        proxy = self._new(wanted)
        if wanted.get("enabled", True):
            await proxy.start()
        self.proxies[proxy.name] = proxy
        return proxy

    async def populate(self, wanted: Sequence[Mapping[str, Any]]) -> list[Proxy]:
        """Proxies as wanted; one with the same addresses stays as it is. Raises PopulateError."""
        done: list[Proxy] = []
        for one in wanted:
            try:
                done.append(await self._put(one))
            except AddressError as error:
                raise PopulateError(error, done) from error
        return done

    def remove(self, name: str) -> None:
        """Stop and forget a proxy."""
        self.proxies.pop(name).stop()

    async def reset(self) -> None:
        """Remove all toxics, start all proxies. One that cannot start hinders no other; raises AddressError."""
        failed: AddressError | None = None
        for proxy in self.proxies.values():
            proxy.clear()
            try:
                await proxy.start()
            except AddressError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def stop(self) -> None:
        """Stop every proxy."""
        for proxy in self.proxies.values():
            proxy.stop()

    async def _put(self, wanted: Mapping[str, Any]) -> Proxy:
        known = self.proxies.get(wanted["name"])
        if known is not None:
            if not await known.differs(wanted.get("listen", ""), wanted["upstream"]):
                return known
            known.stop()
        return await self.add(wanted)

    def _new(self, wanted: Mapping[str, Any]) -> Proxy:
        return Proxy(
            wanted["name"],
            wanted.get("listen", ""),
            wanted["upstream"],
            owner=self._owner,
            seed=self._seed,
            metrics=self.metrics,
        )
