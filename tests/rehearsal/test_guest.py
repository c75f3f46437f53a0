"""A rehearsal on a Toxiproxy that carried a user's own proxies and toxics leaves it byte for byte as it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy.client import Toxiproxy
from flashdrill.toxiproxy.guest import Guest, differences
from tests.rehearsal.running import finish, run, started, wait_until
from tests.services.chaos_rig import SERVERS, serving
from tests.services.toxiproxy_servers import answer, running

HERE = Path(__file__).parent
SCENARIO, PLAN = HERE / "guest.yaml", HERE / "guest_plan.yaml"


@contextmanager
def redis_like() -> Iterator[int]:
    """A tiny server in a thread of its own; its port."""
    ports: list[int] = []
    is_up, is_over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(SERVERS["redis"]) as port:
            ports.append(port)
            is_up.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert is_up.wait(10)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(10)
        loop.close()


async def furnish(url: str, port: int) -> None:
    """What a user has on a server: toxics in an order of their own, a proxy that is off, one with an odd name."""
    server = Toxiproxy(url)
    await server.create("cache", "127.0.0.1:0", f"127.0.0.1:{port}")
    for name, stream in (("z", "downstream"), ("a", "upstream"), ("m", "downstream")):
        await server.add_toxic(
            "cache",
            name=name,
            type="latency",
            attributes={"latency": 1, "jitter": 0},
            stream=stream,
        )
    await server.create("shard1", "127.0.0.1:0", "127.0.0.1:1")
    await server.set_enabled("shard1", False)
    await server.create("käse/a b", "127.0.0.1:0", "127.0.0.1:2")


def listing(url: str) -> bytes:
    """GET /proxies as it is on the wire."""
    return answer(int(url.rpartition(":")[2]), "GET", "/proxies")[2]


@pytest.mark.parametrize("kind", ["embedded", "real"])
def test_a_rehearsal_leaves_somebody_elses_server_as_it_was(kind: str, tmp_path: Path) -> None:
    with running(kind) as url, redis_like() as port:
        asyncio.run(furnish(url, port))
        before = listing(url)
        found = run(
            tmp_path / "runs", "--chaos", str(PLAN), "--toxiproxy", url, "--adopt", "cache=redis",
            scenario=SCENARIO,
        )  # fmt: skip
        assert listing(url) == before
    faults = {fault["id"]: fault for fault in found.summary["faults"]}
    assert {f: v["effect_observed"] and v["healed"] for f, v in faults.items()} == dict.fromkeys(
        ("ours", "slow", "gone"), True
    ), found.output
    assert found.summary["environment"]["toxiproxy"]["kind"] == "given"
    assert found.exit_code == 0, found.output


def test_ctrl_c_leaves_it_as_it_was(tmp_path: Path) -> None:
    with running("embedded") as url, redis_like() as port:
        asyncio.run(furnish(url, port))
        before = listing(url)
        out = tmp_path / "runs"
        with started(
            out,
            "--chaos",
            str(PLAN),
            "--toxiproxy",
            url,
            "--adopt",
            "cache=redis",
            scenario=SCENARIO,
        ) as process:
            wait_until("a toxic of ours", lambda: b"flashdrill-slow" in listing(url))
            process.send_signal(2)
            assert finish(process, out).exit_code == 130
        assert listing(url) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--adopt", "cache=redis"), "--adopt needs the address"),
        (("--toxiproxy", "ftp://x"), "none of auto, real, embedded"),
        (("--toxiproxy", "http://10.0.0.1:8474"), "not on this machine"),
    ],
)
def test_a_mistake_is_explained(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    found = run(tmp_path / "runs", *arguments, scenario=SCENARIO)
    assert found.exit_code == 2
    assert words in found.output
    assert "Traceback" not in found.output


@pytest.mark.parametrize(
    ("wish", "words"), [("cash=redis", "did you mean"), ("cache=x", "NAME=KIND")]
)
def test_a_wrong_adoption_is_explained(wish: str, words: str, tmp_path: Path) -> None:
    with running("embedded") as url, redis_like() as port:
        asyncio.run(furnish(url, port))
        found = run(tmp_path / "runs", "--toxiproxy", url, "--adopt", wish, scenario=SCENARIO)
    assert (found.exit_code, words in found.output) == (2, True), found.output


async def test_what_somebody_else_changed_meanwhile_is_said() -> None:
    with running("embedded") as url:
        theirs = Toxiproxy(url)
        await theirs.create("cache", "127.0.0.1:0", "127.0.0.1:1")
        guest = Guest(url)
        await guest.arrive()
        await guest.settle([("flashdrill-1-redis", "127.0.0.1:0", "127.0.0.1:1")])
        with pytest.raises(ToxiproxyError, match="has a proxy cache already"):
            await guest.settle([("cache", "127.0.0.1:0", "127.0.0.1:1")])
        await theirs.set_enabled("cache", False)
        assert await guest.leave() == ("enabled of the proxy cache was True and is False",)


def test_listings_are_compared_to_the_order_of_toxics() -> None:
    before = {"a": {"toxics": [1, 2]}, "b": {}}
    assert list(differences(before, before)) == []
    assert list(differences(before, {"a": {"toxics": [2, 1]}, "c": {}})) == [
        "toxics of the proxy a was [1, 2] and is [2, 1]",
        "the proxy b is gone",
        "the proxy c is new",
    ]
