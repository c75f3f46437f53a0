"""The edge as a process: python -m flashdrill.edge --port 8475 --way backend=http:127.0.0.1:8080=127.0.0.1:8081

It serves its ways and its control API until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import Sequence
from typing import Literal, cast

from aiohttp import web

from flashdrill.edge.api import application
from flashdrill.edge.talk import converse
from flashdrill.edge.way import Address, Way, WaySpec, carry

SHUTDOWN_TIMEOUT_S = 1.0
_SERVE = {"http": converse, "tcp": carry}


class OverError(Exception):
    """Ends whatever still goes on in the ways."""


def main() -> None:
    """Run an edge."""
    parser = argparse.ArgumentParser(prog="python -m flashdrill.edge")
    parser.add_argument("--host", default="127.0.0.1", help="where the control API listens")
    parser.add_argument("--port", type=int, required=True, help="its port")
    parser.add_argument(
        "--way",
        type=_way,
        action="append",
        required=True,
        metavar="NAME=http|tcp:HOST:PORT=HOST:PORT",
        help="where a way listens and where it leads; several can be given",
    )
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    _raise_file_limit()
    try:
        asyncio.run(_run(options.host, options.port, options.way))
    except* OverError:
        pass
    except* OSError as errors:
        parser.error("; ".join(str(error) for error in errors.exceptions))


async def _run(host: str, port: int, specs: Sequence[WaySpec]) -> None:
    over = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, over.set)
    async with asyncio.TaskGroup() as group:
        ways = {spec.name: Way(spec, group, _SERVE[spec.mode]) for spec in specs}
        runner = web.AppRunner(
            application(ways), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await runner.setup()
        try:
            for way in ways.values():
                await way.open()
            await web.TCPSite(runner, host, port).start()
            await over.wait()
        finally:
            await runner.cleanup()
            for way in ways.values():
                way.close()
        raise OverError


def _raise_file_limit() -> None:
    """Each connection takes two descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _way(text: str) -> WaySpec:
    try:
        name, listening, upstream = text.split("=")
        mode, _, listen = listening.partition(":")
        return WaySpec(name, _mode(mode), _address(listen), _address(upstream))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=http|tcp:HOST:PORT=HOST:PORT"
        ) from None


def _mode(text: str) -> Literal["http", "tcp"]:
    if text not in _SERVE:
        raise ValueError(text)
    return cast("Literal['http', 'tcp']", text)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not 0 < int(port) < 65536:
        raise ValueError(text)
    return host, int(port)


if __name__ == "__main__":
    main()
