"""The client: every call against both servers, and every way in which a server can fail it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy.client import ProxyInfo, ToxicInfo, Toxiproxy
from flashdrill.toxiproxy.server import find_server
from tests.services.toxiproxy_servers import CACHE, HOST, answer, free_port, place, running

pytestmark = pytest.mark.services

UP = "127.0.0.1:9"


@pytest.fixture(scope="module", params=["embedded", "real"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A running server's URL."""
    with running(request.param) as url:
        yield url


async def test_every_call(url: str) -> None:
    api = Toxiproxy(url)
    assert (await api.version()).startswith("2.")
    made = await api.create("p", f"{HOST}:0", UP)
    assert made == ProxyInfo("p", made.listen, UP, enabled=True)
    assert await api.proxies() == {"p": made}
    toxic = await api.add_toxic("p", name="slow", type="latency", attributes={"latency": 5})
    assert toxic == ToxicInfo("slow", "latency", "downstream", 1.0, {"latency": 5, "jitter": 0})
    changed = await api.update_toxic("p", "slow", attributes={"jitter": 3}, toxicity=0.5)
    assert changed == ToxicInfo("slow", "latency", "downstream", 0.5, {"latency": 5, "jitter": 3})
    assert await api.update_toxic("p", "slow", attributes={"latency": 6}) == ToxicInfo(
        "slow", "latency", "downstream", 0.5, {"latency": 6, "jitter": 3}
    )
    assert [toxic.name for toxic in await api.toxics("p")] == ["slow"]
    assert [toxic.name for toxic in (await api.proxies())["p"].toxics] == ["slow"]
    assert await api.remove_toxic("p", "slow") is True
    assert await api.remove_toxic("p", "slow") is False
    assert await api.remove_toxic("nowhere", "slow") is False
    assert (await api.set_enabled("p", False)).enabled is False
    await api.reset()
    assert (await api.proxies())["p"].enabled is True
    wanted = [{"name": n, "listen": f"{HOST}:0", "upstream": UP, "enabled": True} for n in "qr"]
    assert [proxy.name for proxy in await api.populate(wanted)] == ["q", "r"]
    assert await api.populate([]) == []
    for name in "pqr":
        assert await api.delete(name) is True
    assert await api.delete("p") is False


@pytest.mark.parametrize(
    ("listen", "status", "words"),
    [(f"{HOST}:99999", 500, "invalid port"), (f"{HOST}:0", 409, "already exists")],
)
async def test_a_refusal_carries_the_status_and_the_servers_words(
    url: str, listen: str, status: int, words: str
) -> None:
    async with place(url) as here:
        name = here.proxy.name if status == 409 else "new"
        with pytest.raises(ToxiproxyError, match=words) as caught:
            await here.api.create(name, listen, UP)
        assert caught.value.status == status


async def test_an_unknown_proxy_is_404_except_on_removal(url: str) -> None:
    with pytest.raises(ToxiproxyError, match="proxy not found") as caught:
        await Toxiproxy(url).toxics("nowhere")
    assert caught.value.status == 404


async def test_two_servers_are_kept_apart(url: str) -> None:
    with running("embedded") as other_url:
        one, other = Toxiproxy(url), Toxiproxy(other_url)
        await asyncio.gather(
            one.create("one", f"{HOST}:0", UP), other.create("other", f"{HOST}:0", UP)
        )
        found = await asyncio.gather(*(api.proxies() for api in (one, other) * 4))
        assert [list(proxies) for proxies in found] == [["one"], ["other"]] * 4
        await one.delete("one")


async def test_nobody_there_is_status_0_with_a_remedy() -> None:
    with pytest.raises(ToxiproxyError, match="did not answer") as caught:
        await Toxiproxy(f"http://{HOST}:{free_port()}").version()
    assert caught.value.status == 0
    assert caught.value.remedy


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        start = time.monotonic()
        with pytest.raises(ToxiproxyError) as caught:
            await Toxiproxy(f"http://{HOST}:{port}", timeout_s=0.2).reset()
        assert caught.value.status == 0
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"p": {}}', b'{"p": 5}'])
async def test_another_server_at_that_address_is_recognised(body: bytes) -> None:
    async def shop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        writer.close()

    async with await asyncio.start_server(shop, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ToxiproxyError, match="not what Toxiproxy answers"):
            await Toxiproxy(f"http://{HOST}:{port}").proxies()


async def test_the_environments_proxy_is_not_obeyed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert await Toxiproxy(url).proxies() == {}


async def test_netrc_is_not_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda url: pytest.fail("read"))
    assert await Toxiproxy(url).proxies() == {}


@pytest.mark.parametrize("url", ["http://", "https://h:1", "http://h:x", "http://h:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ToxiproxyError, match="is no Toxiproxy address"):
        Toxiproxy(url)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("127.0.0.1:99", "http://127.0.0.1:99"),
        ("http://host", "http://host:8474"),
        ("http://[::1]:5/", "http://[::1]:5"),
    ],
)
def test_addresses_are_completed(url: str, whole: str) -> None:
    assert Toxiproxy(url).url == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_embedded_server_ends_quickly_with_connections_open(number: int) -> None:
    port = free_port()
    process = started(find_server(CACHE, "embedded").argv(HOST, port))
    try:
        async with place(f"http://{HOST}:{port}") as here:
            client = await here.connect()
            await here.toxic("latency", latency=60_000)
            client.writer.write(b"held")
            assert await client.is_silent(0.1)
            start = time.monotonic()
            os.kill(process.pid, number)
            assert await asyncio.to_thread(process.wait, 10) == 0
            assert time.monotonic() - start < 5
            assert await client.end() == "eof"
            here.api.delete = _nothing  # type: ignore[method-assign]
    finally:
        ended(process)


def started(argv: list[str]) -> subprocess.Popen[bytes]:
    """A server that has said that it is ready."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert b'"event": "ready"' in process.stdout.readline()
    return process


def ended(process: subprocess.Popen[bytes]) -> None:
    """End it, if it still runs."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def _nothing(name: str) -> bool:
    return True


def test_the_embedded_server_says_that_its_port_is_taken(url: str) -> None:
    port = int(url.rpartition(":")[2])
    done = subprocess.run(
        find_server(CACHE, "embedded").argv(HOST, port),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_server_starts_with_proxies_from_a_file(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text('[{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}]')
    with running("embedded", "-config", str(config)) as url:
        assert b'"a"' in answer(int(url.rpartition(":")[2]), "GET", "/proxies")[2]


def test_the_embedded_server_runs_without_uvloop() -> None:
    code = (
        "import sys; sys.modules['uvloop'] = None;"
        "from flashdrill.toxiproxy.embedded.__main__ import main;"
        "sys.exit(main(['-host', '127.0.0.1', '-port', sys.argv[1]]))"
    )
    port = free_port()
    process = started([sys.executable, "-c", code, str(port)])
    try:
        asyncio.run(_round_trip(f"http://{HOST}:{port}"))
    finally:
        ended(process)


async def _round_trip(url: str) -> None:
    async with place(url) as here:
        client = await here.connect()
        await client.ask(bytes(1_000_000))
        await here.toxic("latency", latency=50)
        assert await client.ask(b"x") >= 0.049
        await here.toxic("reset_peer", timeout=0)
        client.writer.write(b"x")
        assert await client.end() == "reset"
