"""Starting the embedded stack: everything in parallel, ready in a few seconds, nothing left after an error.

guardian ─┬─ template ── copies ── shard0..3 ─┬─ seed ── backend
          ├─ redis ───────────────────────────┤
          ├─ toxiproxy ── proxies ────────────┤
          └─ edge (when a fault needs it) ────┘
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flashdrill.errors import FlashdrillError
from flashdrill.model.journal import Journal
from flashdrill.model.processes import identity
from flashdrill.stack import postgres, services, valkey
from flashdrill.stack.backend import Backend, write_settings
from flashdrill.stack.control import Guardian
from flashdrill.stack.edge import edge_command
from flashdrill.stack.folders import cache_dir, claim, discard, disk_errors_explained, require_space
from flashdrill.stack.identity import Identity, choose_identity, data_root, install_for
from flashdrill.stack.machine import libraries, machine
from flashdrill.stack.ports import HOST, choose_ports
from flashdrill.stack.provisions import Provisions, make_clock, make_volume
from flashdrill.stack.reference import reference_root
from flashdrill.stack.stack import ProxyAddress, Stack
from flashdrill.stack.template import Recipe, copy, template
from flashdrill.stack.toxiproxy import foreign, is_address, toxiproxy_command
from flashdrill.toxiproxy.guest import Guest, alias

__all__ = ["ProxyAddress", "Stack", "StackSpec", "open_stack", "start_stack"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

Progress = Callable[[str, float], None]
"""Called with the name of each server when it is ready, and the seconds since the stack's start."""


@dataclass(frozen=True, slots=True)
class StackSpec:
    """What to start. `state_dir` is made, and removed at the end: it must be new, empty, or left by a stack.

    `toxiproxy` is auto, real or embedded, or the URL of somebody else's server, which gets our proxies for the time.

    `backend_settings` override the service's settings; `ports` fixes ports by name (shard0.., redis, toxiproxy,
    backend, metrics, edge, NAME-proxy, and NAME-edge), all others are free ones.
    """

    state_dir: Path
    log_dir: Path
    journal: Path
    backend_settings: Mapping[str, Any] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)
    toxiproxy: str = "auto"
    shards: int = services.SHARDS
    time_scale: float = 1.0
    ports: Mapping[str, int] = field(default_factory=dict)
    cache: Path | None = None
    provisions: Provisions = field(default_factory=Provisions)


@asynccontextmanager
async def open_stack(
    spec: StackSpec, progress: Progress = lambda _name, _seconds: None
) -> AsyncIterator[Stack]:
    """A stack that is ready for orders; it is taken down at the end, however that comes.

    Raises StackError with a remedy (a port taken, a program missing, a full disk), and ConfigError when the
    service refuses its settings; nothing is left running then.
    """
    stack = await start_stack(spec, progress)
    try:
        yield stack
    finally:
        await stack.close()


async def start_stack(
    spec: StackSpec,
    progress: Progress = lambda _name, _seconds: None,
    *,
    socket: Path | None = None,
) -> Stack:
    """Start a stack that the caller must close. With `socket` its guardian also listens there."""
    with disk_errors_explained():
        site = _prepare(spec)  # no await in it: a cancellation finds either nothing or a site
        try:
            return await _start(site, progress, socket)
        except BaseExceptionGroup as group:
            raise _first(group) from None


async def _start(site: _Site, progress: Progress, socket: Path | None) -> Stack:
    guardian: Guardian | None = None
    try:
        guardian = await Guardian.start(
            site.spec.journal.absolute(),
            log=site.log("guardian"),
            cleanup=site.folders,
            socket=socket,
        )
        _note_stack(site.spec.journal, guardian)
        return await _bring_up(site, guardian, progress)
    except BaseException:
        if guardian is not None:
            await guardian.shutdown()
        site.discard()
        raise


def _note_stack(path: Path, guardian: Guardian) -> None:
    """Whoever reads the journal can tell whether the stack is still there."""
    journal = Journal(path)
    journal.on_stack(identity(guardian.own_pid))
    journal.close()


@dataclass(frozen=True, slots=True)
class _Site:
    """Everything that is decided before the first process starts."""

    spec: StackSpec
    state_dir: Path
    data_root: Path
    cache: Path
    install: postgres.Installation
    identity: Identity
    redis: Path
    service: Backend
    token: str  # this stack's own name on somebody else's server
    secret: str
    ports: Mapping[str, int]
    proxies: dict[str, ProxyAddress]
    clock: Mapping[str, str]  # what the service's environment gets for a clock of its own

    @property
    def shard_names(self) -> list[str]:
        return [shard.name for shard in services.shards(self.spec.shards)]

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.state_dir, self.data_root)

    def discard(self) -> None:
        for folder in self.folders:
            discard(folder)

    def log(self, name: str) -> Path:
        return self.spec.log_dir.absolute() / f"{name}.log"

    @property
    def queue_dir(self) -> Path:
        return self.state_dir / "queue"

    @property
    def clock_file(self) -> Path | None:
        return self.state_dir / "clock" if self.spec.provisions.has_clock else None

    @property
    def events_path(self) -> Path:
        return self.spec.log_dir.absolute() / "backend-events.jsonl"


def _prepare(spec: StackSpec) -> _Site:
    """Find programs, choose ports, make folders and write settings; whatever can be refused is refused here."""
    token = secrets.token_hex(4)
    install, redis = postgres.find_installation(), valkey.find_server()
    identity, root = choose_identity(), reference_root()
    ports, proxies = _addresses(spec, token)
    require_space(spec.state_dir)
    state_dir = claim(spec.state_dir)
    spec.log_dir.mkdir(parents=True, exist_ok=True)
    service = Backend(
        root=root,
        settings=state_dir / "settings.json",
        seed_settings=state_dir / "seed-settings.json",
        world=state_dir / "world.json",
    )
    site = _Site(
        spec=spec,
        state_dir=state_dir,
        data_root=data_root(state_dir, identity),
        cache=spec.cache or cache_dir(),
        install=install,
        identity=identity,
        redis=redis,
        service=service,
        token=token,
        secret=secrets.token_hex(32),
        ports=ports,
        proxies=proxies,
        clock=make_clock(state_dir / "clock") if spec.provisions.has_clock else {},
    )
    try:
        site.queue_dir.mkdir()
        if spec.provisions.has_volume:
            make_volume(site.queue_dir)
        _write_settings(site)
    except BaseException:
        site.discard()
        raise
    return site


def _addresses(spec: StackSpec, token: str) -> tuple[dict[str, int], dict[str, ProxyAddress]]:
    ways = services.proxies(spec.shards)
    listening = (*services.servers(spec.shards), services.METRICS, services.TOXIPROXY)
    edges = spec.provisions.edges
    ports = choose_ports(
        [
            *(server.name for server in listening),
            *(f"{way.name}-proxy" for way in ways),
            *(["edge"] if edges else []),
            *(f"{name}-edge" for name in sorted(edges)),
        ],
        fixed=spec.ports,
    )
    proxies = {
        way.name: ProxyAddress(
            way.name,
            listen=(HOST, ports[f"{way.name}-proxy"]),
            upstream=(HOST, ports[way.upstream]),
            edge=(HOST, ports[f"{way.name}-edge"]) if way.name in edges else None,
            alias=alias(token, way.name) if is_address(spec.toxiproxy) else "",
        )
        for way in ways
    }
    return ports, proxies


def _write_settings(site: _Site) -> None:
    """The service's settings go through the proxies (and the edge); the seed's go past them."""

    def ways(name: str) -> tuple[int, int]:
        return site.proxies[name].entrance[1], site.ports[name]

    for path, way in ((site.service.settings, 0), (site.service.seed_settings, 1)):
        settings = services.backend_settings(
            host=HOST,
            port=site.ports["backend"],
            metrics_port=site.ports["metrics"],
            queue_dir=str(site.queue_dir),
            events_path=str(site.events_path),
            hmac_secret=site.secret,
            time_scale=site.spec.time_scale,
            overrides=site.spec.backend_settings,
            shards=[postgres.dsn(ways(name)[way]) for name in site.shard_names],
            redis_url=f"redis://{HOST}:{ways('redis')[way]}/0",
        )
        write_settings(path, settings)
    write_settings(site.service.world, dict(site.spec.world))


async def _bring_up(site: _Site, guardian: Guardian, progress: Progress) -> Stack:
    begun = time.monotonic()
    stack = Stack(
        state_dir=site.state_dir,
        log_dir=site.spec.log_dir.absolute(),
        ports=site.ports,
        proxies=site.proxies,
        guardian=guardian,
        service=site.service,
        hmac_secret=site.secret,
        events_path=site.events_path,
        queue_dir=site.queue_dir,
        folders=site.folders,
        clock_file=site.clock_file,
        has_volume=site.spec.provisions.has_volume,
        versions=_versions(site),
    )

    def ready(name: str) -> None:
        progress(name, time.monotonic() - begun)

    try:
        await _start_servers(site, stack, ready)
    except BaseException:
        await stack.give_back()
        raise
    return stack


async def _start_servers(site: _Site, stack: Stack, ready: Callable[[str], None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_start_shards(site, stack, ready))
        group.create_task(_start_redis(site, stack, ready))
        group.create_task(_start_toxiproxy(site, stack, ready))
        if site.spec.provisions.has_edge:
            group.create_task(_start_edge(site, stack, ready))
    await site.service.seed()
    await stack.run(site.service.serve(site.log("backend"), site.state_dir, site.clock))
    await stack.wait_ready("backend")
    ready("backend")


async def _start_shards(site: _Site, stack: Stack, ready: Callable[[str], None]) -> None:
    schema = await site.service.schema()
    recipe = Recipe(site.install.folder, site.install.version, schema, site.identity)
    source = await _in_thread(template, recipe, site.cache)
    programs = await _in_thread(install_for, site.identity, site.install.folder, site.data_root)

    async def start(name: str) -> None:
        data = site.data_root / name
        await _in_thread(copy, source, data)
        await stack.run(
            postgres.command(
                name,
                site.ports[name],
                data=data,
                install=programs,
                identity=site.identity,
                log=site.log(name),
            )
        )
        await stack.wait_ready(name)
        ready(name)

    async with asyncio.TaskGroup() as group:
        for name in site.shard_names:
            group.create_task(start(name))


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Like `asyncio.to_thread`, but cancelled only when the thread is done: it writes into our folders."""
    thread = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


async def _start_redis(site: _Site, stack: Stack, ready: Callable[[str], None]) -> None:
    folder = site.state_dir / "redis"
    folder.mkdir()
    await stack.run(
        valkey.command(
            site.ports["redis"], program=site.redis, folder=folder, log=site.log("redis")
        )
    )
    await stack.wait_ready("redis")
    ready("redis")


async def _start_edge(site: _Site, stack: Stack, ready: Callable[[str], None]) -> None:
    ways = [proxy for proxy in site.proxies.values() if proxy.edge is not None]
    await stack.run(edge_command(site.ports["edge"], ways, site.log("edge")))
    await stack.wait_ready("edge")
    ready("edge")


async def _start_toxiproxy(site: _Site, stack: Stack, ready: Callable[[str], None]) -> None:
    if is_address(site.spec.toxiproxy):
        await _visit_toxiproxy(site, stack)
        ready("toxiproxy")
        return
    command, described = await toxiproxy_command(
        site.spec.toxiproxy, site.cache, site.ports["toxiproxy"], site.log("toxiproxy")
    )
    stack.versions["toxiproxy"] = described
    await stack.run(command)
    await stack.wait_ready("toxiproxy")
    stack.versions["toxiproxy"]["version"] = await stack.toxiproxy_version()
    await stack.populate()
    ready("toxiproxy")


async def _visit_toxiproxy(site: _Site, stack: Stack) -> None:
    """Our proxies on somebody else's server."""
    guest = Guest(site.spec.toxiproxy, site.spec.journal)
    await guest.arrive()
    version = await guest.server.version()
    stack.versions["toxiproxy"] = {**foreign(guest.server.url), "version": version}
    stack.guest = guest
    await stack.populate()


def _versions(site: _Site) -> dict[str, Any]:
    """The machine and the versions of what runs on it."""
    return {
        **machine(),
        "free_disk_mb": shutil.disk_usage(site.state_dir).free // 2**20,
        "postgres": {
            "version": site.install.version,
            "shards": site.spec.shards,
            "runs_as": site.identity.way,
        },
        "redis": valkey.version(site.redis),
        "toxiproxy": {},
        "time_scale": site.spec.backend_settings.get("time_scale", site.spec.time_scale),
        "libraries": libraries(),
    }


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to show for a group of failed starts: one with a remedy if there is one."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        else:
            leaves.append(error)
    ours = [error for error in leaves if isinstance(error, FlashdrillError)]
    return next((e for e in ours if e.remedy), (ours or leaves)[0])
