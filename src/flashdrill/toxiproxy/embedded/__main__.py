"""`python -m flashdrill.toxiproxy.embedded -host 127.0.0.1 -port 8474 [-seed N] [-config FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import resource
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from flashdrill.toxiproxy.embedded.api import VERSION, application
from flashdrill.toxiproxy.embedded.bodies import ApiError, listed_proxies
from flashdrill.toxiproxy.embedded.registry import PopulateError, Registry

SHUTDOWN_TIMEOUT_S = 0.5


def arguments(words: list[str]) -> argparse.Namespace:
    """The real server's options, with one dash as it has them."""
    parser = argparse.ArgumentParser("flashdrill.toxiproxy.embedded")
    parser.add_argument("-host", default="localhost", help="where the API listens")
    parser.add_argument("-port", type=int, default=8474)
    parser.add_argument(
        "-seed", type=int, default=None, help="repeats the choices of toxicity and jitter"
    )
    parser.add_argument(
        "-config", type=Path, default=None, help="JSON list of proxies to start with"
    )
    parser.add_argument(
        "-version", action="version", version=f"toxiproxy-server version {VERSION} (embedded)"
    )
    return parser.parse_args(words)


async def serve(host: str, port: int, *, seed: int, config: str, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; `config` is a JSON list of proxies. Prints one line of JSON when ready.

    Raises OSError (the port is taken), PopulateError, ApiError (the list is wrong).
    """
    async with asyncio.TaskGroup() as dials:
        registry = Registry(dials, seed)
        app = application(registry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            await registry.populate(listed_proxies(config))
            await web.TCPSite(runner, host, port).start()
            ready = {"event": "ready", "port": int(runner.addresses[0][1]), "seed": seed}
            print(json.dumps(ready), flush=True)
            await stop.wait()
        finally:
            registry.stop()
            await runner.cleanup()


def main(words: list[str]) -> int:
    """Run the server; 0 after SIGTERM or SIGINT, 1 when it could not start."""
    options = arguments(words)
    _raise_file_limit()
    failed = []
    try:
        config = options.config.read_text(encoding="utf-8") if options.config else "[]"
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signalled(options.host, options.port, options.seed, config))
    except* (OSError, PopulateError, ApiError) as group:
        failed = [str(error) for error in group.exceptions]
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failed else 0


async def _until_signalled(host: str, port: int, seed: int | None, config: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gc.freeze()  # what is imported stays: collections look at connections only
    seed = secrets.randbits(63) if seed is None else seed
    await serve(host, port, seed=seed, config=config, stop=stop)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
