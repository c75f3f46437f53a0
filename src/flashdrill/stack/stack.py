"""A stack that runs: its addresses and the control of its processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.errors import ToxiproxyError
from flashdrill.stack import postgres
from flashdrill.stack.backend import Backend
from flashdrill.stack.folders import discard
from flashdrill.stack.ports import HOST
from flashdrill.stack.probes import probe_of, remedy, wait_until_ready
from flashdrill.stack.services import METRICS_PATH
from flashdrill.stack.wards import STOP_TIMEOUT_S, Wards
from flashdrill.toxiproxy.client import Toxiproxy
from flashdrill.toxiproxy.guest import Guest

READY_TIMEOUT_S = 30.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """One proxy: it listens at `listen` and forwards to `upstream`; `edge` is the edge's address in front of it.

    `there` is what it is called in Toxiproxy: by its own name, unless the server is somebody else's.
    """

    name: str
    listen: Address
    upstream: Address
    edge: Address | None = None
    alias: str = ""

    @property
    def there(self) -> str:
        """What it is called in Toxiproxy."""
        return self.alias or self.name

    @property
    def entrance(self) -> Address:
        """Where clients connect."""
        return self.edge or self.listen


@dataclass(slots=True, kw_only=True)
class Stack(Wards):
    """The embedded stack. Opened by `embedded.open_stack`; names of processes: shard0.., redis, toxiproxy, backend."""

    state_dir: Path
    ports: Mapping[str, int]
    proxies: dict[str, ProxyAddress]
    service: Backend
    hmac_secret: str = field(repr=False)
    events_path: Path
    queue_dir: Path
    folders: tuple[Path, ...] = ()  # what goes with the stack
    clock_file: Path | None = None  # what the service's clock is set by
    has_volume: bool = False  # whether queue_dir is a file system of its own
    guest: Guest | None = (
        None  # on somebody else's Toxiproxy server; None: it is a process of the stack
    )
    versions: dict[str, Any] = field(default_factory=dict)

    # -- addresses ---------------------------------------------------------------------------

    @property
    def direct(self) -> dict[str, Address]:
        """Addresses past the proxies: shard0.., redis, backend."""
        return {p.name: p.upstream for p in self.proxies.values() if p.name != "payment"}

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return sum(name.startswith("shard") for name in self.proxies)

    def dsn(self, shard: int, direct: bool = True) -> str:
        """How to connect to a shard, past its proxy or through it."""
        proxy = self.proxies[f"shard{shard}"]
        return postgres.dsn((proxy.upstream if direct else proxy.entrance)[1])

    @property
    def toxiproxy_url(self) -> str:
        """Toxiproxy's HTTP API."""
        if self.guest is not None:
            return self.guest.server.url
        return f"http://{HOST}:{self.ports['toxiproxy']}"

    @property
    def edge_url(self) -> str:
        """The edge's control API; empty when there is no edge."""
        return f"http://{HOST}:{self.ports['edge']}" if "edge" in self._commands else ""

    @property
    def backend_url(self) -> str:
        """The service as customers reach it, through its proxy."""
        return _url(self.proxies["backend"].entrance)

    @property
    def payment_url(self) -> str:
        """The service as the payment provider reaches it, through a proxy of its own."""
        return _url(self.proxies["payment"].entrance)

    @property
    def backend_direct_url(self) -> str:
        """The service itself."""
        return _url(self.proxies["backend"].upstream)

    @property
    def metrics_url(self) -> str:
        """The service's Prometheus metrics, served by a thread, past every proxy."""
        return f"http://{HOST}:{self.ports['metrics']}{METRICS_PATH}"

    @property
    def settings_path(self) -> Path:
        """The service's settings file."""
        return self.service.settings

    def environment(self) -> dict[str, Any]:
        """What ran: versions of servers and libraries, the machine, which Toxiproxy."""
        return dict(self.versions)

    # -- processes ---------------------------------------------------------------------------

    async def start(self, name: str) -> int:
        """Start a known process again, as it was started first; its pid. It may not be ready yet."""
        pid = await Wards.start(self, name)  # super() does not know a class with slots
        if name == "toxiproxy":
            await self.wait_ready(name)
            await self.populate()
        return pid

    async def stop_backend(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Drain and stop the service, for final reads; nothing happens when it is down already."""
        if self.is_running("backend"):
            await self.stop("backend", timeout_s)

    async def wait_ready(self, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the server answers, asked past the proxies; StackError when it died or is too slow."""
        await wait_until_ready(
            name,
            probe_of(name, self.ports),
            is_running=lambda: self.is_running(name),
            log=self._commands[name].log,
            timeout_s=timeout_s,
        )

    async def populate(self) -> None:
        """Make the proxies."""
        wanted = [
            (proxy.there, address_text(proxy.listen), address_text(proxy.upstream))
            for proxy in self.proxies.values()
        ]
        try:
            if self.guest is not None:
                await self.guest.settle(wanted)
            else:
                await Toxiproxy(self.toxiproxy_url).populate(map(_enabled, wanted))
        except ToxiproxyError as error:
            error.remedy = error.remedy or remedy(error.message)
            raise

    async def toxiproxy_version(self) -> str:
        """The version that the Toxiproxy server tells."""
        return str(await Toxiproxy(self.toxiproxy_url).version())

    async def queue_state(self) -> dict[str, Any]:
        """What the file queue holds: {"shards": [...], "depth": N}; the service must be down."""
        return await self.service.queue_state()

    async def give_back(self) -> tuple[str, ...]:
        """Leave somebody else's Toxiproxy server; what is not as it was found, in words. ToxiproxyError."""
        guest, self.guest = self.guest, None
        return () if guest is None else await guest.leave()

    async def close(self) -> None:
        """Take everything down; nothing is left when this returns."""
        try:
            await self.give_back()
        finally:
            try:
                await self.guardian.shutdown()
            finally:
                for folder in self.folders:
                    discard(folder)  # the guardian did it, unless it was killed


def _url(address: Address) -> str:
    return f"http://{address_text(address)}"


def _enabled(proxy: tuple[str, str, str]) -> dict[str, Any]:
    name, listen, upstream = proxy
    return {"name": name, "listen": listen, "upstream": upstream, "enabled": True}


def address_text(address: Address) -> str:
    """As host:port."""
    return f"{address[0]}:{address[1]}"
