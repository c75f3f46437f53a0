"""The whole embedded stack: up in a few seconds, down with nothing left, and refusals that say what to do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from flashdrill.errors import EXIT_STACK, StackError
from flashdrill.stack import embedded, ports
from flashdrill.stack.embedded import Stack, StackSpec, open_stack
from flashdrill.stack.ports import HOST
from flashdrill.stack.up import DATA, SOCKET, STATE, Standing, down, status, up
from tests.services.stack_pieces import alive, gone

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
WORLD = {"users": 10, "products": [{"sku": "kettle", "price_cents": 1999, "stock": 10}]}
SERVERS = {"shard0", "shard1", "shard2", "shard3", "redis", "toxiproxy", "backend"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def spec(folder: Path, cache: Path) -> StackSpec:
    return StackSpec(
        state_dir=folder / "state",
        log_dir=folder / "logs",
        journal=folder / "journal.jsonl",
        world=WORLD,
        toxiproxy="embedded",
        time_scale=10,
        cache=cache,
    )


def family(stack: Stack) -> set[int]:
    """The guardian and all below it."""
    guardian = psutil.Process(stack.guardian.own_pid)
    return {guardian.pid, *(child.pid for child in guardian.children(recursive=True))}


def children() -> set[int]:
    """The living processes below this test."""
    return alive({child.pid for child in psutil.Process().children(recursive=True)})


async def get(url: str) -> tuple[int, str]:
    limit = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_the_stack_comes_up_and_goes_down_with_nothing_left(
    tmp_path: Path, cache: Path
) -> None:
    told: list[str] = []
    async with open_stack(spec(tmp_path, cache), lambda name, _: told.append(name)) as stack:
        pids = family(stack)
        assert set(told) == SERVERS
        assert set(stack.proxies) == (SERVERS - {"toxiproxy"}) | {"payment"}
        assert set(stack.direct) == SERVERS - {"toxiproxy"}
        for url in (stack.backend_url, stack.payment_url, stack.backend_direct_url):
            assert (await get(f"{url}/readyz"))[0] == 200
        assert "flashdrill_resource" in (await get(stack.metrics_url))[1]
        for direct in (True, False):
            connection = await asyncpg.connect(stack.dsn(2, direct=direct), timeout=5)
            sold_here = await connection.fetchval("SELECT initial FROM stock WHERE sku = 'kettle'")
            connection.terminate()
            assert sold_here == 2
        environment = stack.environment()
        assert environment["toxiproxy"]["kind"] == "embedded"
        assert environment["postgres"]["version"].startswith("16.")
        assert environment["libraries"]["asyncpg"]
        assert stack.hmac_secret not in repr(stack)
        assert stack.hmac_secret not in "".join(p.read_text() for p in stack.log_dir.iterdir())
        assert stack.settings_path.stat().st_mode & 0o077 == 0
    assert not alive(pids)
    assert not (tmp_path / "state").exists()
    assert (tmp_path / "logs" / "shard0.log").exists()


async def test_a_killed_backend_comes_back_on_its_port(tmp_path: Path, cache: Path) -> None:
    async with open_stack(spec(tmp_path, cache)) as stack:
        before = stack.pid("backend")
        await stack.kill("backend")
        assert not stack.is_running("backend")
        with pytest.raises(StackError, match="ended by itself"):
            await stack.wait_ready("backend", 5)
        assert await stack.start("backend") != before
        await stack.wait_ready("backend", 20)
        assert (await get(f"{stack.backend_url}/readyz"))[0] == 200
        await stack.stop_backend()
        await stack.stop_backend()
        assert (await stack.queue_state())["depth"] == 0


async def test_a_process_of_the_run_is_in_the_guardians_care(tmp_path: Path, cache: Path) -> None:
    async with open_stack(spec(tmp_path, cache)) as stack:
        log = tmp_path / "logs" / "crowd.log"
        argv = (sys.executable, "-c", "import os; print(os.environ['CROWD_SIZE'])")
        await stack.spawn("crowd", argv, {"CROWD_SIZE": "big"}, log)
        assert await stack.wait_exit("crowd", 10) == 0
        assert log.read_text() == "big\n"
        await stack.spawn("crowd", ("sleep", "100"), {}, log)
        crowd = stack.pid("crowd")
        await stack.signal("crowd", signal.SIGSTOP)
    assert not alive({crowd})


async def test_toxiproxy_gets_its_proxies_back(tmp_path: Path, cache: Path) -> None:
    async with open_stack(spec(tmp_path, cache)) as stack:
        await stack.kill("toxiproxy")
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(f"{stack.backend_url}/healthz")
        await stack.start("toxiproxy")
        assert (await get(f"{stack.backend_url}/healthz"))[0] == 200


async def test_two_stacks_at_once(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        open_stack(spec(tmp_path / "a", cache)) as one,
        open_stack(spec(tmp_path / "b", cache)) as two,
    ):
        assert not set(one.ports.values()) & set(two.ports.values())
        assert one.hmac_secret != two.hmac_secret
        for stack in (one, two):
            assert (await get(f"{stack.backend_url}/readyz"))[0] == 200


# -- refusals --------------------------------------------------------------------------------


async def refused(wanted: StackSpec, message: str, remedy: str) -> None:
    """The stack does not come up, says why and what to do, and leaves nothing."""
    with pytest.raises(StackError, match=message) as caught:
        async with open_stack(wanted):
            pytest.fail("it came up")
    assert caught.value.exit_code == EXIT_STACK
    assert remedy in caught.value.remedy
    assert not children()
    assert not wanted.state_dir.exists() or not any(wanted.state_dir.iterdir())


async def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path, cache: Path) -> None:
    with listener() as port:
        wanted = replace(spec(tmp_path, cache), ports={"shard1": port})
        await refused(wanted, f"port {port} for shard1 is taken", "stop what listens there")
    assert not wanted.log_dir.exists()


@pytest.mark.parametrize("name", ["shard1", "redis", "toxiproxy", "redis-proxy"])
async def test_a_port_taken_at_the_last_moment(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    with listener() as port:
        wanted = replace(spec(tmp_path, cache), ports={name: port})
        await refused(wanted, "(?i)address already in use", "port")


async def test_a_missing_program_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    await refused(spec(tmp_path, cache), "PostgreSQL", "pip install 'flashdrill[reference]'")


async def test_settings_that_the_backend_refuses_leave_nothing(tmp_path: Path, cache: Path) -> None:
    wanted = replace(spec(tmp_path, cache), backend_settings={"no_such_setting": 1})
    with pytest.raises(Exception, match="no_such_setting"):
        async with open_stack(wanted):
            pytest.fail("it came up")
    assert not children()


async def test_an_error_inside_takes_the_stack_down(tmp_path: Path, cache: Path) -> None:
    pids: set[int] = set()
    with pytest.raises(ZeroDivisionError):
        async with open_stack(spec(tmp_path, cache)) as stack:
            pids |= family(stack)
            raise ZeroDivisionError
    assert pids
    assert not alive(pids)


async def test_a_cancelled_start_takes_the_stack_down(tmp_path: Path, cache: Path) -> None:
    begun = asyncio.Event()

    async def run() -> None:
        async with open_stack(spec(tmp_path, cache), lambda *_: begun.set()):
            await asyncio.sleep(60)

    task = asyncio.create_task(run())
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("is_seen_in_time", [True, False])
async def test_a_full_disk_is_refused_with_a_remedy(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, is_seen_in_time: bool
) -> None:
    if not is_seen_in_time:
        monkeypatch.setattr(embedded, "require_space", lambda _: None)
    with small_disk(tmp_path / "small") as disk:
        wanted = replace(spec(tmp_path, cache), state_dir=disk / "state")
        await refused(wanted, "free at|space|full", "free some space")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 24 MB: one shard fits, four do not."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=24m", "small", str(folder)]
    with ExitStack() as cleanup:
        try:
            subprocess.run(mounting, check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            pytest.skip("no right to mount here")
        cleanup.callback(subprocess.run, ["umount", "-l", str(folder)], check=True, timeout=10)
        yield folder


@contextmanager
def listener() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


# -- a stack that stays ----------------------------------------------------------------------

UP = """
import asyncio, sys
from pathlib import Path
from flashdrill.stack.up import up
print(asyncio.run(up(Path(sys.argv[1]), toxiproxy="embedded", cache=Path(sys.argv[2]))).table())
"""


async def once_down(name: str, folder: Path) -> Standing:
    """How the stack stands when its guardian has noticed that a server ended, or after 5 s."""
    deadline = time.monotonic() + 5
    while True:
        standing = await status(folder)
        is_down = any(s.name == name and s.health == "down" for s in standing.servers)
        if is_down or time.monotonic() > deadline:
            return standing
        await asyncio.sleep(0.02)


async def test_up_outlives_its_command_and_down_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / ("a-long-name-" * 10)  # longer than a socket's path may be
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UP, str(folder), str(cache), stdout=asyncio.subprocess.PIPE
    )
    try:
        said = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
        assert process.returncode == 0
        standing = await status(folder)
        assert standing.is_healthy
        assert {server.name for server in standing.servers} == SERVERS
        assert standing.table() == said.strip()
        assert (await up(folder, cache=cache)) == standing
        state = json.loads((folder / STATE).read_text())
        assert (await get(f"{state['backend_url']}/readyz"))[0] == 200

        pids = {server.pid for server in standing.servers if server.pid}
        redis = next(server for server in standing.servers if server.name == "redis")
        assert redis.pid
        os.kill(redis.pid, signal.SIGKILL)
        standing = await once_down("redis", folder)
        assert not standing.is_healthy
        assert {s.name for s in standing.servers if s.health == "down"} == {"redis"}
        with pytest.raises(StackError, match="servers down"):
            await up(folder, cache=cache)
    finally:
        was_up = await down(folder)
    assert was_up
    assert standing.guardian_pid
    assert not await gone({*pids, standing.guardian_pid}, 5)
    assert {p.name for p in folder.iterdir()} == {"lock", "logs"}
    assert not (await status(folder)).is_up
    assert not await down(folder)


async def test_a_killed_guardian_of_up_is_seen_and_up_works_again(
    tmp_path: Path, cache: Path
) -> None:
    standing = await up(tmp_path, toxiproxy="embedded", cache=cache)
    pids = {s.pid for s in standing.servers if s.pid} | {standing.guardian_pid or 0}
    os.kill(standing.guardian_pid or 0, signal.SIGKILL)
    assert not await gone(pids, 10)
    assert not (await status(tmp_path)).is_up
    assert (tmp_path / SOCKET).exists()
    try:
        assert (await up(tmp_path, toxiproxy="embedded", cache=cache)).is_healthy
    finally:
        assert await down(tmp_path)
    assert not (tmp_path / DATA).exists()
