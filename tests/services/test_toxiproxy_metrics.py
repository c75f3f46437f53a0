"""`/metrics`: switched on by option, and the same counts in the real server and in ours."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.services.toxiproxy_servers import HOST, PATIENCE_S, Place, answer, place, running

pytestmark = pytest.mark.services

ASKED, ANSWERED = 33, 33  # the upstream echoes


@pytest.fixture(scope="module", params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Kind and URL of a server that counts the bytes of its proxies."""
    with running(request.param, "-proxy-metrics") as url:
        yield request.param, url


def samples(url: str) -> dict[tuple[str, str, str], float]:
    """(name, proxy, direction) of every count of bytes."""
    status, headers, body = answer(int(url.rpartition(":")[2]), "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4; charset=utf-8")
    assert headers["x-toxiproxy-request-id"]
    return {
        (sample.name, sample.labels["proxy"], sample.labels["direction"]): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if "proxy" in sample.labels
    }


def expected(name: str, *, received: int, sent: int) -> dict[tuple[str, str, str], float]:
    counts = {"received": received, "sent": sent}
    return {
        (f"toxiproxy_proxy_{what}_bytes_total", name, direction): float(count)
        for what, count in counts.items()
        for direction in ("upstream", "downstream")
    }


def becomes(url: str, wanted: dict[tuple[str, str, str], float]) -> bool:
    """Whether these counts are told before patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if wanted.items() <= samples(url).items():
            return True
        time.sleep(0.02)
    return False


async def ask_once(here: Place) -> None:
    client = await here.connect()
    await client.ask(b"x" * ASKED)
    client.writer.close()
    await client.end()


async def test_the_bytes_of_a_connection_count_by_proxy_and_direction(
    server: tuple[str, str],
) -> None:
    url = server[1]
    async with place(url) as here:
        await ask_once(here)
        name = here.proxy.name
        assert becomes(url, expected(name, received=ASKED, sent=ANSWERED)), samples(url)
        await ask_once(here)
        assert becomes(url, expected(name, received=2 * ASKED, sent=2 * ANSWERED)), samples(url)
    assert expected(name, received=2 * ASKED, sent=2 * ANSWERED).items() <= samples(url).items(), (
        "the counts of a proxy that is gone stay"
    )


async def test_what_a_toxic_swallows_is_received_and_not_sent(server: tuple[str, str]) -> None:
    url = server[1]
    async with place(url) as here:
        await here.toxic("timeout", stream="upstream", timeout=0)
        client = await here.connect()
        client.writer.write(b"x" * ASKED)
        await client.writer.drain()
        assert await client.is_silent(0.2)
        await here.heal("timeout")
        name = here.proxy.name
        received = ("toxiproxy_proxy_received_bytes_total", name, "upstream")
        assert becomes(url, {received: ASKED})
        assert samples(url).get(("toxiproxy_proxy_sent_bytes_total", name, "upstream"), 0) == 0


async def test_ours_counts_while_the_connection_lives() -> None:
    with running("embedded", "-proxy-metrics") as url:
        async with place(url) as here:
            client = await here.connect()
            await client.ask(b"x" * ASKED)
            assert becomes(url, expected(here.proxy.name, received=ASKED, sent=ANSWERED))


@pytest.mark.parametrize("kind", ["embedded", "real"])
def test_metrics_are_off_unless_asked_for(kind: str) -> None:
    with running(kind) as url:
        status, _, body = answer(int(url.rpartition(":")[2]), "GET", "/metrics")
    assert (status, body) == (404, b"404 page not found\n")


@pytest.mark.parametrize("kind", ["embedded", "real"])
def test_the_runtime_tells_of_the_process_and_of_no_proxy(kind: str) -> None:
    with running(kind, "-runtime-metrics") as url:
        status, _, body = answer(int(url.rpartition(":")[2]), "POST", "/metrics")
        with_agent = answer(int(url.rpartition(":")[2]), "GET", "/metrics", agent="Mozilla/5.0")
    text = body.decode()
    assert status == 200
    assert "process_cpu_seconds_total " in text
    assert "process_open_fds " in text
    assert "toxiproxy_proxy_" not in text
    assert with_agent[0] == 403
    assert HOST not in text
