"""Bulk, slow readers and a thousand connections through the embedded server, on uvloop and on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from random import Random

import pytest

from flashdrill.toxiproxy.client import Toxiproxy
from flashdrill.toxiproxy.embedded.metrics import Metrics
from flashdrill.toxiproxy.embedded.proxy import Proxy
from scripts.bench_toxiproxy import WITHOUT_UVLOOP, raise_file_limit, serving, upstream
from scripts.toxiproxy.load import clients
from tests.services.toxiproxy_servers import HOST, PATIENCE_S, choice, place

pytestmark = pytest.mark.services

BULK = 12_000_000
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STREAMS = ("upstream", "downstream")
TOXICS = {
    "latency": {"latency": 3, "jitter": 2},
    "slicer": {"average_size": 20_000, "size_variation": 9_000, "delay": 10},
    "bandwidth": {"rate": 40_000},
    "slow_close": {"delay": 5},
    "noop": {},
}
KERNEL_BYTES = 40_000_000
"""More than the sockets of two hops hold on their own."""
FLOOD = 200_000_000


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
        command = list(choice("embedded").command)
    else:
        command = [sys.executable, "-P", "-c", WITHOUT_UVLOOP]
    with serving(command) as (url, _):
        yield url


class Peer:
    """An upstream that sends `said`, keeps what it hears until the client's end, and takes no end for its own."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.heard = bytearray()
        self.has_ended = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(say(writer, self.said))
                while data := await reader.read(1 << 18):
                    self.heard += data
        self.has_ended.set()


async def say(writer: asyncio.StreamWriter, data: bytes) -> None:
    for start in range(0, len(data), 50_000):
        writer.write(data[start : start + 50_000])
        await writer.drain()
        await asyncio.sleep(0.004)  # a second in all, so that toxics find it on its way


@contextlib.asynccontextmanager
async def proxied(url: str, talk: Talk) -> AsyncIterator[tuple[Toxiproxy, str, int]]:
    """(API, the proxy's name, its port) of a proxy to an upstream that talks so."""
    api = Toxiproxy(url, timeout_s=PATIENCE_S)
    async with await asyncio.start_server(talk, HOST, 0) as server:
        upstream_port = server.sockets[0].getsockname()[1]
        name = f"p{upstream_port}"
        proxy = await api.create(name, f"{HOST}:0", f"{HOST}:{upstream_port}")
        try:
            yield api, name, int(proxy.listen.rpartition(":")[2])
        finally:
            await api.delete(name)


async def disturb(api: Toxiproxy, proxy: str, rng: Random, enough: asyncio.Event) -> int:
    """Add and remove toxics at random until it is enough; gives how many changes there were."""
    present: set[str] = set()
    changes = 0
    while not enough.is_set():
        kind, stream = rng.choice(list(TOXICS)), rng.choice(STREAMS)
        name = f"{kind}_{stream}"
        if name in present:
            await api.remove_toxic(proxy, name)
        else:
            await api.add_toxic(proxy, name=name, type=kind, stream=stream, attributes=TOXICS[kind])
        present ^= {name}
        changes += 1
    return changes


@pytest.mark.parametrize("seed", [1, 2])
async def test_bulk_both_ways_is_unharmed_by_toxics_that_come_and_go(url: str, seed: int) -> None:
    rng = Random(seed)
    up, down = rng.randbytes(BULK), rng.randbytes(BULK)
    peer, enough = Peer(down), asyncio.Event()
    async with proxied(url, peer.talk) as (api, name, port), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(HOST, port)
        with contextlib.closing(writer):
            async with asyncio.TaskGroup() as group:
                disturbing = group.create_task(disturb(api, name, rng, enough))
                saying = group.create_task(say(writer, up))
                heard = await reader.readexactly(len(down))
                await saying
                writer.write_eof()  # half-closed: the upstream gets the rest, then the end
                await peer.has_ended.wait()
                enough.set()
            assert await reader.read() == b""
    assert disturbing.result() > 5
    assert heard == down
    assert bytes(peer.heard) == up


@pytest.mark.parametrize("latency_ms", [None, 0, 50])
async def test_a_client_that_does_not_read_holds_the_upstream_back(
    url: str, latency_ms: int | None
) -> None:
    pattern = b"".join(b"%07d\n" % n for n in range(12_500))
    sent = 0
    is_stalled = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, TimeoutError):
            while sent < FLOOD:
                writer.write(pattern)
                sent += len(pattern)
                async with asyncio.timeout(1.0):
                    await writer.drain()
        is_stalled.set()

    async with proxied(url, flood) as (api, name, port), asyncio.timeout(60):
        if latency_ms is not None:
            attributes = {"latency": latency_ms}
            await api.add_toxic(name, name="slow", type="latency", attributes=attributes)
        reader, writer = await asyncio.open_connection(HOST, port)
        with contextlib.closing(writer):
            await is_stalled.wait()
            assert 0 < sent < KERNEL_BYTES
            for _ in range(sent // len(pattern)):
                assert await reader.readexactly(len(pattern)) == pattern


async def test_what_a_client_says_before_it_is_connected_is_held_back_too(url: str) -> None:
    async with place(url) as here:
        await here.toxic("bandwidth", stream="upstream", rate=0)
        client = await here.connect()
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while sent < FLOOD:
                    client.writer.write(bytes(100_000))
                    sent += 100_000
                    await client.writer.drain()
        assert 0 < sent < KERNEL_BYTES
        client.writer.transport.abort()


async def test_a_thousand_connections_at_once(url: str) -> None:
    raise_file_limit()
    with upstream() as (behind, _):
        api = Toxiproxy(url, timeout_s=PATIENCE_S)
        proxy = await api.create("many", f"{HOST}:0", f"{HOST}:{behind}")
        with clients(int(proxy.listen.rpartition(":")[2]), 1000) as group:
            assert group.answered == 1000
            assert group.round_trips_per_s(0.1, 0.2) > 0
            await api.add_toxic("many", name="slow", type="latency", attributes={"latency": 1})
            assert group.round_trips_per_s(0.1, 0.2) > 0
            assert group.answered > 3000
        await api.delete("many")


async def test_small_messages_do_not_wait_for_acknowledgements() -> None:
    async with asyncio.TaskGroup() as dials, asyncio.timeout(PATIENCE_S):
        made: list[asyncio.StreamWriter] = []
        async with await asyncio.start_server(lambda _, w: made.append(w), HOST, 0) as server:
            behind = server.sockets[0].getsockname()[1]
            proxy = Proxy(
                "p", f"{HOST}:0", f"{HOST}:{behind}", owner=dials, seed=1, metrics=Metrics()
            )
            await proxy.start()
            _, writer = await asyncio.open_connection(HOST, int(proxy.listen.rpartition(":")[2]))
            while not made or not (connection := next(iter(proxy._connections))).server.is_open:
                await asyncio.sleep(0.001)
            for end in (connection.client, connection.server):
                sock = end.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for each in (writer, *made):
                each.close()
            proxy.stop()


def test_the_benchmark_ends_in_a_line_of_ratios() -> None:
    words = ["--rounds", "1", "--seconds", "0.05", "--connections", "2"]
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.bench_toxiproxy", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ratios = json.loads(ended.stdout.splitlines()[-1])
    ours = {key: value for key, value in ratios.items() if key != "real"}
    assert bool(ours) == ratios["real"]
    assert all(value["round_trips"] for value in ours.values())
