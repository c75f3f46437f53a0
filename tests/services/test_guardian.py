"""The guardian with real servers: nothing is left, whoever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from flashdrill.errors import StackError
from flashdrill.model.journal import Journal, unhealed
from flashdrill.stack import postgres
from flashdrill.stack.control import Command, Guardian, environment_of
from flashdrill.stack.folders import claim
from flashdrill.stack.healing import HEAL_LIMIT_S, heal, why_left
from flashdrill.stack.identity import choose_identity
from flashdrill.stack.ports import HOST, choose_ports
from flashdrill.stack.processes import descendants, postgres_in
from flashdrill.stack.undo.circumstances import Circumstances
from flashdrill.toxiproxy.client import Toxiproxy
from flashdrill.toxiproxy.server import find_server
from tests.services.fake_api import fake_api
from tests.services.stack_pieces import alive, gone, pieces, url

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
LIMIT_S = 5.0


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@asynccontextmanager
async def guarded(folder: Path, **options: object) -> AsyncIterator[Guardian]:
    guardian = await Guardian.start(
        folder / "journal.jsonl", log=folder / "guardian.log", **options
    )
    try:
        yield guardian
    finally:
        await guardian.shutdown()


def sleeper(folder: Path, name: str = "sleeper", script: str = "sleep 100") -> Command:
    return Command(name, ("sh", "-c", script), folder / f"{name}.log", environment_of())


def words(log: Path) -> str:
    return log.read_text() if log.exists() else ""


async def read_when(log: Path, text: str) -> str:
    deadline = time.monotonic() + 10
    while text not in (said := words(log)):
        assert time.monotonic() < deadline, f"{text!r} never came: {said!r}"
        await asyncio.sleep(0.01)
    return said


# -- commands --------------------------------------------------------------------------------


async def test_an_exit_is_told_with_its_status(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        await guardian.spawn(sleeper(tmp_path, script="echo hello; exit 3"))
        assert await guardian.wait_exit("sleeper", 10) == 3
        assert not guardian.is_running("sleeper")
        assert guardian.last_status("sleeper") == 3
        assert (tmp_path / "sleeper.log").read_text() == "hello\n"
        with pytest.raises(StackError, match="does not run"):
            guardian.pid("sleeper")


async def test_stop_is_patient_only_for_so_long(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        polite = sleeper(
            tmp_path, "polite", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"
        )
        stubborn = sleeper(
            tmp_path, "stubborn", "trap '' TERM; echo up; while :; do sleep 0.05; done"
        )
        for command in (polite, stubborn):
            await guardian.spawn(command)
            await read_when(command.log, "up")
        assert await guardian.stop("polite", 10) == 7
        assert await guardian.stop("stubborn", 0.2) == -signal.SIGKILL


async def test_stopping_what_ends_by_itself_just_then_is_no_error(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        pid = await guardian.spawn(sleeper(tmp_path, script="exit 3"))
        deadline = time.monotonic() + LIMIT_S
        while psutil.pid_exists(pid):  # no await: that it has ended is not heard yet
            assert time.monotonic() < deadline
            time.sleep(0.01)  # noqa: ASYNC251
        assert guardian.is_running("sleeper")
        assert await guardian.stop("sleeper", 1.0) == 3
        with pytest.raises(StackError, match="does not run"):
            await guardian.stop("sleeper", 1.0)


async def test_kill_takes_the_whole_family_and_a_name_runs_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        command = sleeper(tmp_path, script="sleep 100 & sleep 100 & echo up; wait")
        pid = await guardian.spawn(command)
        await read_when(command.log, "up")
        with pytest.raises(StackError, match="already runs"):
            await guardian.spawn(command)
        family = {pid, *descendants(pid)}
        assert len(family) == 3
        assert await guardian.kill("sleeper") == -signal.SIGKILL
        assert not await gone(family, LIMIT_S)
        await guardian.spawn(command)


async def test_a_missing_program_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        missing = Command("nothing", ("/no/such/program",), tmp_path / "x.log", {})
        with pytest.raises(StackError, match="/no/such/program") as caught:
            await guardian.spawn(missing)
        assert "pip install 'flashdrill[reference]'" in caught.value.remedy
        with pytest.raises(StackError, match="does not run"):
            await guardian.signal("nobody", signal.SIGTERM)
        with pytest.raises(StackError, match="never started"):
            await guardian.wait_exit("nobody", 1)


async def test_a_wait_is_bounded_and_a_pause_is_seen(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        await guardian.spawn(sleeper(tmp_path))
        with pytest.raises(StackError, match="did not end within"):
            await guardian.wait_exit("sleeper", 0.05)
        await guardian.signal("sleeper", signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while (await guardian.status())["processes"][0]["state"] != "T":
            assert time.monotonic() < deadline


def test_the_guardian_loads_the_standard_library_alone() -> None:
    code = (
        "import sys, flashdrill.stack.guardian as _; "
        "print([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names "
        "and not m.startswith(('flashdrill', '__', '_'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_only_a_marked_folder_is_removed(tmp_path: Path) -> None:
    ours, other = claim(tmp_path / "ours"), tmp_path / "other"
    other.mkdir()
    async with guarded(tmp_path, cleanup=(ours, other)):
        assert ours.exists()
    assert not ours.exists()
    assert other.exists()


async def test_a_dead_guardian_is_an_error_not_a_hang(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guardian:
        pid = await guardian.spawn(sleeper(tmp_path))
        os.kill(guardian.own_pid, signal.SIGKILL)
        assert not await gone({guardian.own_pid, pid}, LIMIT_S)
        with pytest.raises(StackError, match="guardian of the stack is gone"):
            await guardian.status()
        assert not guardian.is_running("sleeper")


# -- healing ---------------------------------------------------------------------------------


def test_what_the_journal_holds_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    with fake_api(204) as (api, asked):
        journal.injecting("old", {"type": "toxic", "api": api, "proxy": "shard0", "toxic": "a/b"})
        journal.injecting("over", {"type": "toxic", "api": api, "proxy": "shard1", "toxic": "c"})
        journal.healed("over")
        journal.injecting("new", {"type": "proxy_enabled", "api": api, "proxy": "redis"})
        journal.injecting("nothing", {"type": "none"})
        journal.close()
        results = heal(path)
    assert sorted(asked) == [
        "DELETE /proxies/shard0/toxics/a%2Fb",
        'POST /proxies/redis {"enabled": true}',
    ]
    assert results["nothing"] == results["old"] == ""
    assert "status 204" in results["new"]  # no answer to a POST
    assert [fault for fault, _ in unhealed(path)] == ["new"]


def test_a_toxic_that_is_gone_is_healed_and_a_refusal_is_not(tmp_path: Path) -> None:
    for status, healed in ((404, True), (500, False)):
        with fake_api(status) as (api, _):
            undo = {"type": "toxic", "api": api, "proxy": "p", "toxic": "t"}
            assert (not left(undo)) is healed
    assert not left(undo)  # nobody listens there any more
    assert "makes no sense" in left({"type": "toxic"})


def left(undo: dict[str, object]) -> str:
    return why_left([undo], Circumstances(time.monotonic() + LIMIT_S))


def test_a_server_that_never_answers_does_not_hold_the_end_up(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))
        deaf.listen(16)
        journal = Journal(path)
        for number in range(10):
            undo = {
                "type": "toxic",
                "api": url(deaf.getsockname()[1]),
                "proxy": "p",
                "toxic": str(number),
            }
            journal.injecting(f"f{number}", undo)
        journal.close()
        before = time.monotonic()
        assert all("timed out" in why for why in heal(path).values())
        assert time.monotonic() - before < HEAL_LIMIT_S + 1
    assert len(unhealed(path)) == 10


# -- servers ---------------------------------------------------------------------------------


async def test_servers_come_up_and_go_down_with_nothing_left(tmp_path: Path, cache: Path) -> None:
    async with pieces(tmp_path, cache) as made:
        pids = made.every_pid()
        assert len(pids) > 8
        connection = await asyncpg.connect(postgres.dsn(made.ports["shard0"]), timeout=5)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await connection.fetchval(f"SHOW {setting}") == "on"
        assert await connection.fetchval("SELECT count(*) FROM orders") == 0
        connection.terminate()
        folders = [str(made.root / name) for name in ("shard0", "shard1")]
        assert all(postgres_in(folder) for folder in folders)
    assert not alive(pids)
    assert not made.state.exists()
    assert not made.root.exists()
    assert not any(postgres_in(folder) for folder in folders)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("way", ["namespace", "user"])
async def test_root_runs_postgres_either_way(tmp_path: Path, cache: Path, way: str) -> None:
    try:
        identity = choose_identity({"FLASHDRILL_POSTGRES_AS": way})
    except StackError:
        pytest.skip("no user namespaces here")
    async with pieces(tmp_path, cache, identity=identity) as made:
        pids = made.every_pid()
        owner = psutil.Process(made.guardian.pid("shard0")).uids().real
        assert owner == (0 if way == "namespace" else identity.uid)
    assert not alive(pids)
    assert not made.root.exists()


async def test_a_killed_shard_takes_its_busy_backends_with_it_and_comes_back(
    tmp_path: Path, cache: Path
) -> None:
    async with pieces(tmp_path, cache) as made:
        dsn = postgres.dsn(made.ports["shard0"])
        connection = await asyncpg.connect(dsn, timeout=5)
        await connection.execute("INSERT INTO orders VALUES (1)")
        busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        watcher = await asyncpg.connect(dsn, timeout=5)
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        deadline = time.monotonic() + 10
        while not await watcher.fetchval(asked):
            assert time.monotonic() < deadline
        assert await made.guardian.kill("shard0") == -signal.SIGKILL
        assert not postgres_in(str(made.root / "shard0"))
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await busy
        watcher.terminate()
        await made.start("shard0")
        connection = await asyncpg.connect(dsn, timeout=5)
        assert await connection.fetchval("SELECT count(*) FROM orders") == 1
        connection.terminate()


async def test_a_killed_guardian_leaves_no_process(tmp_path: Path, cache: Path) -> None:
    async with pieces(tmp_path, cache) as made:
        pids = made.every_pid()
        await made.guardian.signal("shard1", signal.SIGSTOP)
        os.kill(made.guardian.own_pid, signal.SIGKILL)
        assert not await gone(pids, 10)


async def test_a_guardian_that_gets_sigterm_takes_everything_down(
    tmp_path: Path, cache: Path
) -> None:
    async with pieces(tmp_path, cache) as made:
        pids = made.every_pid()
        os.kill(made.guardian.own_pid, signal.SIGTERM)
        assert not await gone(pids, LIMIT_S)


async def test_a_killed_harness_leaves_no_process_and_no_toxic(tmp_path: Path, cache: Path) -> None:
    """The Toxiproxy server here is nobody's child: only the journal leads to its toxic."""
    port, upstream = choose_ports(["api", "upstream"]).values()
    with program(*find_server(cache, prefer="embedded").argv(HOST, port)):
        api = Toxiproxy(url(port))
        await answering(api)
        await api.create("shard0", f"{HOST}:0", f"{HOST}:{upstream}")
        await api.add_toxic("shard0", name="slow", type="latency", attributes={"latency": 900})
        arguments = map(str, (tmp_path, cache, url(port), "shard0", "slow"))
        with program(sys.executable, "-m", "tests.services.stack_pieces", *arguments) as harness:
            pids = set(json.loads(await asyncio.to_thread(harness.stdout.readline)))
            assert alive(pids) == pids
            assert (await api.toxics("shard0"))[0].name == "slow"
            harness.kill()
            assert not await gone(pids, LIMIT_S)
        assert await api.toxics("shard0") == ()
        assert not unhealed(tmp_path / "journal.jsonl")
        assert not (tmp_path / "state").exists()


@contextmanager
def program(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the test's own, killed at the end."""
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


async def answering(api: Toxiproxy) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await api.version()
        except StackError:
            assert time.monotonic() < deadline, "the Toxiproxy server never answered"
            await asyncio.sleep(0.02)
        else:
            return
