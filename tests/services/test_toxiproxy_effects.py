"""What each toxic does to real connections, in the real server and in ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from flashdrill.errors import ToxiproxyError
from tests.services.toxiproxy_servers import HOST, PATIENCE_S, Client, place, running

pytestmark = pytest.mark.services


@pytest.fixture(scope="module", params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """(kind, URL) of a running server."""
    with running(request.param) as url:
        yield request.param, url


@pytest.fixture
def url(server: tuple[str, str]) -> str:
    return server[1]


async def test_without_toxics_everything_passes_both_ways(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        data = bytes(range(256)) * 20_000
        await client.ask(data)
        assert bytes(here.upstream.received) == data


async def test_what_a_client_says_at_once_is_not_lost(url: str) -> None:
    async with place(url) as here:
        for _ in range(20):
            client = await here.connect()
            await client.ask(b"first words")


async def test_latency_delays_existing_connections_and_adds_up(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        plain = await client.ask(b"x")
        await here.toxic("latency", latency=150)
        one = await client.ask(b"x")
        await here.api.add_toxic(
            here.proxy.name,
            name="more",
            type="latency",
            attributes={"latency": 150},
            stream="upstream",
        )
        both = await client.ask(b"x")
    assert plain < one / 2
    assert one >= 0.145
    assert both >= 0.295


async def test_latency_of_two_toxics_in_one_direction_adds_up(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        for name in ("a", "b"):
            await here.api.add_toxic(
                here.proxy.name, name=name, type="latency", attributes={"latency": 150}
            )
        assert await client.ask(b"x") >= 0.295


async def test_latency_is_pipelined(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=300)
        start = time.monotonic()
        for _ in range(20):
            client.writer.write(b"0123456789")
            await asyncio.sleep(0.005)  # chunks of their own
        await client.read(200)
        assert 0.29 <= time.monotonic() - start < 20 * 0.3 / 2


async def test_latency_spares_the_handshake(url: str) -> None:
    async with place(url) as here:
        await here.toxic("latency", latency=2000)
        start = time.monotonic()
        await here.connect()
        assert time.monotonic() - start < 1.0


async def test_jitter_spreads_and_keeps_the_order(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=60, jitter=50)
        trips = [await client.ask(b"x") for _ in range(12)]
        assert max(trips) - min(trips) > 0.01
        assert min(trips) >= 0.009
        words = b"".join(b"%03d" % n for n in range(100))
        for n in range(100):
            client.writer.write(b"%03d" % n)
            await asyncio.sleep(0)
        assert await client.read(300) == words


async def test_removing_latency_releases_what_is_in_flight(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=60_000)
        client.writer.write(b"abc")
        client.writer.write(b"def")
        assert await client.is_silent(0.2)
        await here.heal("latency")
        assert await client.read(6) == b"abcdef"
        assert await client.ask(b"x") < 1.0


async def test_an_update_counts_for_existing_connections(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=60_000)
        client.writer.write(b"abc")
        assert await client.is_silent(0.2)
        await here.api.update_toxic(here.proxy.name, "latency", attributes={"latency": 10})
        assert await client.read(3) == b"abc"
        assert await client.ask(b"x") < 1.0


async def test_bandwidth_limits_the_rate(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("bandwidth", rate=200)
        took = await client.ask(bytes(100_000))
        assert 0.4 <= took < 2.0
        await here.heal("bandwidth")
        assert await client.ask(bytes(100_000)) < took / 2


async def test_bandwidth_zero_stalls_until_it_is_removed(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("bandwidth", rate=0)
        client.writer.write(b"abc")
        assert await client.is_silent(0.3)
        await here.heal("bandwidth")
        assert await client.read(3) == b"abc"


async def test_a_stalled_sender_is_held_back(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("bandwidth", stream="upstream", rate=0)
        sent = 0
        client.writer.transport.set_write_buffer_limits(high=0)
        chunk = bytes(256 * 1024)
        try:
            async with asyncio.timeout(1.0):
                for _ in range(256):
                    client.writer.write(chunk)
                    await client.writer.drain()
                    sent += len(chunk)
        except TimeoutError:
            pass
        assert sent < 24 * 1024 * 1024
        assert not here.upstream.received
        client.writer.transport.abort()


async def test_toxics_that_come_and_go_lose_and_swap_nothing(url: str) -> None:
    data = b"".join(b"%07d\n" % n for n in range(100_000))
    kinds = {
        "latency": {"latency": 5, "jitter": 4},
        "slicer": {"average_size": 4000, "size_variation": 1000, "delay": 10},
        "bandwidth": {"rate": 20_000},
        "noop": {},
    }
    async with place(url) as here:
        client = await here.connect()

        async def disturb() -> None:
            for kind, attributes in list(kinds.items()) * 5:
                for stream in ("upstream", "downstream"):
                    await here.api.add_toxic(
                        here.proxy.name,
                        name=f"{kind}_{stream}",
                        type=kind,
                        attributes=attributes,
                        stream=stream,
                    )
                for stream in ("upstream", "downstream"):
                    await here.heal(f"{kind}_{stream}")

        async def talk() -> None:
            for start in range(0, len(data), 8000):
                client.writer.write(data[start : start + 8000])
                await client.writer.drain()
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(disturb())
            group.create_task(talk())
            echo = group.create_task(client.read(len(data)))
        assert echo.result() == data


async def test_slow_close_delays_the_end_only(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("slow_close", delay=400)
        assert await client.ask(b"x") < 0.4
        start = time.monotonic()
        here.upstream.writers[0].close()
        assert await client.end() == "eof"
        assert time.monotonic() - start >= 0.39


async def test_timeout_drops_and_closes(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await client.ask(b"x")
        await here.toxic("timeout", timeout=300)
        start = time.monotonic()
        client.writer.write(b"dropped")
        assert await client.end() == "eof"
        assert time.monotonic() - start >= 0.2
        assert bytes(here.upstream.received) == b"xdropped"


async def test_the_timer_of_timeout_restarts_on_every_chunk(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await client.ask(b"x")
        await here.toxic("timeout", stream="upstream", timeout=700)
        start = time.monotonic()
        last = start
        while last - start < 1.4:  # twice the timeout
            client.writer.write(b"again")
            last = time.monotonic()
            assert await client.is_silent(0.1)
        assert await client.end() == "eof"
        assert time.monotonic() - last >= 0.6
        assert bytes(here.upstream.received) == b"x"


async def test_timeout_zero_is_a_black_hole_that_closes_on_removal(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("timeout", timeout=0)
        client.writer.write(b"lost")
        assert await client.is_silent(0.4)
        await here.heal("timeout")
        assert await client.end() == "eof"
        await (await here.connect()).ask(b"a new connection works")


async def test_reset_peer_resets_new_connections(url: str) -> None:
    async with place(url) as here:
        await here.toxic("reset_peer", timeout=100)
        client = await here.connect()
        assert await client.is_silent(0.3)  # nothing before data
        client.writer.write(b"x")
        assert await client.end() == "reset"


async def test_reset_peer_on_existing_connections(server: tuple[str, str]) -> None:
    kind, url = server
    async with place(url) as here:
        client = await here.connect()
        await client.ask(b"x")
        await here.toxic("reset_peer", timeout=0)
        client.writer.write(b"x")
        # The real server sends FIN here, a known bug.
        assert await client.end() == {"embedded": "reset", "real": "eof"}[kind]


async def test_reset_peer_with_toxicity_zero_is_harmless(server: tuple[str, str]) -> None:
    kind, url = server
    async with place(url) as here:
        await here.toxic("reset_peer", toxicity=0.0, timeout=0)
        client = await here.connect()
        await client.ask(b"x")
        here.upstream.writers[0].close()
        # The real server resets, a known bug.
        assert await client.end() == {"embedded": "eof", "real": "reset"}[kind]


async def test_slicer_cuts_into_small_pieces(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("slicer", average_size=10, size_variation=3, delay=15_000)
        data = bytes(range(100))
        client.writer.write(data)
        pieces = []
        async with asyncio.timeout(PATIENCE_S):
            while sum(map(len, pieces)) < len(data):
                pieces.append(await client.reader.read(1000))
        assert b"".join(pieces) == data
        assert len(pieces) >= 5
        assert min(map(len, pieces)) <= 13


async def test_limit_data_closes_at_the_limit(url: str) -> None:
    async with place(url) as here:
        await here.toxic("limit_data", bytes=150)
        client = await here.connect()
        await client.ask(bytes(100))
        client.writer.write(bytes(100))
        assert await client.read(50) == bytes(50)
        assert await client.end() in {"eof", "reset"}


async def test_noop_does_nothing(url: str) -> None:
    async with place(url) as here:
        await here.toxic("noop")
        client = await here.connect()
        assert await client.ask(bytes(100_000)) < 5


async def test_disabled_is_down_and_keeps_port_and_toxics(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=1)
        await client.ask(b"x")
        stopped = await here.api.set_enabled(here.proxy.name, False)
        assert not stopped.enabled
        assert await client.end() == "eof"
        with pytest.raises(ConnectionRefusedError):
            await here.connect()
        again = await here.api.set_enabled(here.proxy.name, True)
        assert (again.listen, [t.name for t in again.toxics]) == (here.proxy.listen, ["latency"])
        await (await here.connect()).ask(b"x")


async def test_reset_heals_everything(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await here.toxic("latency", latency=60_000)
        await here.toxic("bandwidth", stream="upstream", rate=0)
        client.writer.write(b"held")
        assert await client.is_silent(0.2)
        await here.api.reset()
        assert await client.read(4) == b"held"
        assert await here.api.toxics(here.proxy.name) == ()


async def test_a_removed_proxy_closes_its_connections(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await client.ask(b"x")
        assert await here.api.delete(here.proxy.name)
        assert await client.end() == "eof"
        with pytest.raises(ConnectionRefusedError):
            await here.connect()
        await here.api.create(here.proxy.name, here.proxy.listen, here.proxy.upstream)
        await (await here.connect()).ask(b"x")


async def test_the_end_of_a_client_reaches_the_upstream(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await client.ask(b"x")
        client.writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await here.upstream.ended.wait()


@pytest.mark.parametrize("dead", [f"{HOST}:1", f"{HOST}:99999", "nonsense", "a..b:1"])
async def test_without_an_upstream_a_client_connects_and_sees_the_end(url: str, dead: str) -> None:
    async with place(url) as here:
        await here.api.populate(
            [{"name": here.proxy.name, "listen": here.proxy.listen, "upstream": dead}]
        )
        client = await here.connect()
        assert await client.end() in {"eof", "reset"}
        assert here.proxy.name in await here.api.proxies()


async def test_toxicity_is_a_share_of_the_connections(url: str) -> None:
    async with place(url) as here:
        await here.toxic("limit_data", toxicity=0.5, bytes=1)
        spared = [await is_spared(await here.connect()) for _ in range(60)]
        assert 12 <= sum(spared) <= 48


async def test_the_choice_of_connections_repeats_with_the_seed() -> None:
    seen = []
    for seed in ("7", "7", "8"):
        with running("embedded", "-seed", seed) as url:
            async with place(url) as here:
                # The name is part of the draw, and the port of the upstream is part of the name.
                await here.api.create("fixed", f"{HOST}:0", here.proxy.upstream)
                fixed = (await here.api.proxies())["fixed"]
                here.port = int(fixed.listen.rpartition(":")[2])
                await here.api.add_toxic(
                    "fixed", name="cut", type="limit_data", attributes={"bytes": 1}, toxicity=0.5
                )
                seen.append([await is_spared(await here.connect()) for _ in range(40)])
    assert seen[0] == seen[1] != seen[2]


async def is_spared(client: Client) -> bool:
    """Whether the echo comes back whole."""
    client.writer.write(b"ab")
    try:
        return await client.read(2) == b"ab"
    except (asyncio.IncompleteReadError, ConnectionError):
        return False


async def test_an_unknown_toxic_is_refused_in_the_servers_words(url: str) -> None:
    async with place(url) as here:
        with pytest.raises(ToxiproxyError, match="invalid toxic type") as caught:
            await here.toxic("gremlin")
        assert caught.value.status == 400
