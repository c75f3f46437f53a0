"""Running Toxiproxy servers, a chatty upstream, and plain sockets for the Toxiproxy tests."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy.client import ProxyInfo, Toxiproxy
from flashdrill.toxiproxy.server import ServerChoice, find_server

HOST = "127.0.0.1"
READY_TIMEOUT_S = 20.0
PATIENCE_S = 10.0
CACHE = Path.home() / ".cache" / "flashdrill"  # so that the real server is built once


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def choice(kind: str) -> ServerChoice:
    """The server of this kind; skips the test where the real one cannot be had."""
    try:
        return find_server(CACHE, prefer=kind)
    except ToxiproxyError as error:
        pytest.skip(f"no real Toxiproxy here: {error.message}")


@contextlib.contextmanager
def running(kind: str, *options: str) -> Iterator[str]:
    """A running server of this kind; gives its URL."""
    port = free_port()
    process = subprocess.Popen(
        [*choice(kind).argv(HOST, port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_ready(port, process)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        try:
            process.wait(READY_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer(port, "GET", "/version")
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server did not come up")


def answer(
    port: int, method: str, path: str, body: str | None = None, agent: str = "test"
) -> tuple[int, dict[str, str], bytes]:
    """One request as it is: status, headers in lower case, body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body=body, headers={"User-Agent": agent})
        response = connection.getresponse()
        return (
            response.status,
            {k.lower(): v for k, v in response.getheaders()},
            response.read(),
        )
    finally:
        connection.close()


@dataclass
class Upstream:
    """A server that echoes; `received` is all it was sent, `ended` is set at a client's end."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    echoes: bool = True

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self.writers.append(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.received += data
                if self.echoes:
                    writer.write(data)
        self.ended.set()
        writer.close()


@dataclass
class Client:
    """A client's connection through a proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, data: bytes) -> float:
        """Send, wait for the echo; gives the round trip in seconds."""
        start = time.monotonic()
        self.writer.write(data)
        assert await self.read(len(data)) == data
        return time.monotonic() - start

    async def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def end(self) -> str:
        """How the connection ends: `eof`, or `reset`; what comes before is dropped."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return "reset"
        return "eof"

    async def is_silent(self, duration_s: float) -> bool:
        """Whether nothing comes, no end either, for so long."""
        try:
            async with asyncio.timeout(duration_s):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


class Place:
    """One proxy in front of one upstream."""

    def __init__(self, api: Toxiproxy, proxy: ProxyInfo, upstream: Upstream) -> None:
        self.api = api
        self.proxy = proxy
        self.upstream = upstream
        self.port = int(proxy.listen.rpartition(":")[2])
        self._stack = contextlib.AsyncExitStack()

    async def connect(self) -> Client:
        """A client through the proxy, closed with the place."""
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(HOST, self.port)
        self._stack.push_async_callback(_close, writer)
        return Client(reader, writer)

    async def toxic(
        self, kind: str, *, stream: str = "downstream", toxicity: float = 1.0, **attributes: int
    ) -> None:
        """A toxic called as its type."""
        await self.api.add_toxic(
            self.proxy.name,
            name=kind,
            type=kind,
            attributes=attributes,
            stream=stream,
            toxicity=toxicity,
        )

    async def heal(self, name: str) -> None:
        """Remove a toxic."""
        assert await self.api.remove_toxic(self.proxy.name, name)


@contextlib.asynccontextmanager
async def place(url: str, *, echoes: bool = True) -> AsyncIterator[Place]:
    """An upstream and a proxy to it, both gone afterwards."""
    api = Toxiproxy(url, timeout_s=PATIENCE_S)
    upstream = Upstream(echoes=echoes)
    async with await asyncio.start_server(upstream.talk, HOST, 0) as server:
        upstream.port = server.sockets[0].getsockname()[1]
        proxy = await api.create(f"p{upstream.port}", f"{HOST}:0", f"{HOST}:{upstream.port}")
        here = Place(api, proxy, upstream)
        try:
            async with here._stack:
                yield here
        finally:
            await api.delete(proxy.name)
            server.close()
            for _ in range(10):  # a connection accepted just now gets its writer in a few turns
                await asyncio.sleep(0)
            for writer in upstream.writers:
                await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await writer.wait_closed()
