"""One server for as long as it is wanted: its options, its start, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import secrets
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from flashdrill.errors import ConfigError, ToxiproxyError
from flashdrill.toxiproxy.embedded import config
from flashdrill.toxiproxy.embedded.address import AddressError
from flashdrill.toxiproxy.embedded.api import application
from flashdrill.toxiproxy.embedded.config import Configured
from flashdrill.toxiproxy.embedded.metrics import Metrics
from flashdrill.toxiproxy.embedded.registry import Registry

SHUTDOWN_TIMEOUT_S = 0.5

Announce = Callable[[int, int], None]
"""Told the port of the API and the seed, when the server is ready."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the API listens (port 0: any), what repeats its choices, what it starts with, what it tells."""

    host: str
    port: int
    seed: int | None = None
    config: Path | None = None
    proxy_metrics: bool = False
    runtime_metrics: bool = False


def run(options: Options, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError (the file), ToxiproxyError (an address is taken)."""
    proxies = config.read(options.config) if options.config else []
    _raise_file_limit()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_until_signalled(options, proxies, announce))
        except* (ConfigError, ToxiproxyError) as group:
            raise group.exceptions[0] from None


async def _until_signalled(options: Options, proxies: list[Configured], announce: Announce) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gc.freeze()  # what is imported stays: collections look at connections only
    await _serve(options, proxies, announce, stop)


async def _serve(
    options: Options, proxies: list[Configured], announce: Announce, stop: asyncio.Event
) -> None:
    seed = secrets.randbits(63) if options.seed is None else options.seed
    metrics = Metrics(proxies=options.proxy_metrics, runtime=options.runtime_metrics)
    async with asyncio.TaskGroup() as dials:
        registry = Registry(dials, seed, metrics)
        app = application(registry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            await _populate(registry, proxies, options.config)
            await _listen(runner, options)
            announce(int(runner.addresses[0][1]), seed)
            await stop.wait()
        finally:
            registry.stop()
            await runner.cleanup()


async def _populate(registry: Registry, proxies: list[Configured], path: Path | None) -> None:
    for each in proxies:
        try:
            proxy = await registry.add(each.fields)
        except AddressError as error:
            raise ConfigError(
                f"proxy {each.fields['name']}: {error}", path=path, line=each.line
            ) from error
        for toxic in each.toxics:
            proxy.add(toxic)


async def _listen(runner: web.AppRunner, options: Options) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        raise ToxiproxyError(
            f"the API cannot listen on {options.host}:{options.port}: {error.strerror or error}",
            remedy="choose another host or port, or end what listens there",
        ) from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - an optional dependency

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def _raise_file_limit() -> None:
    """Each connection takes two descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
