"""A guardian that lives on heals for a client that was killed, and starts again what it once started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.model.journal import Journal, unhealed
from flashdrill.model.processes import identity
from flashdrill.stack.control import Command, Guardian, environment_of
from flashdrill.stack.healing import heal
from flashdrill.stack.processes import stat_of
from flashdrill.toxiproxy.client import Toxiproxy
from tests.services.stack_pieces import gone
from tests.services.toxiproxy_servers import running

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
LIMIT_S = 15.0  # 5 s on a quiet machine


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[Guardian, Path]]:
    path = folder / "guardian.sock"
    guardian = await Guardian.start(folder / "own.jsonl", log=folder / "guardian.log", socket=path)
    try:
        yield guardian, path
    finally:
        await guardian.shutdown()


@contextmanager
def client(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A harness that is ready; killed at the end."""
    argv = [sys.executable, "-m", "tests.services.journal_holder", *arguments]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


async def until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)  # another process's doing: there is no event to wait for


def command(folder: Path, name: str, *argv: str) -> Command:
    return Command(name, argv or ("sleep", "100"), folder / f"{name}.log", environment_of())


async def pid_of(guardian: Guardian, name: str) -> int:
    rows = (await guardian.status())["processes"]
    return next((int(row["pid"]) for row in rows if row["name"] == name), 0)


async def test_who_is_killed_is_healed_for_and_the_stack_goes_on(tmp_path: Path) -> None:
    path, ballast = tmp_path / "journals" / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    async with guarded(tmp_path) as (guardian, sock):
        paused = await guardian.spawn(command(tmp_path, "paused"))
        killed = await guardian.spawn(command(tmp_path, "killed"))
        helper = await guardian.spawn(command(tmp_path, "helper"))
        journal = Journal(path)
        journal.injecting("pause", {"type": "sigcont", **identity(paused)})
        journal.injecting("kill", {"type": "respawn", "socket": str(sock), "name": "killed"})
        journal.injecting("spin", {"type": "kill", **identity(helper)})
        journal.injecting("full", {"type": "file_gone", "path": str(ballast)})
        journal.close()
        with client("hold", str(sock), str(path)) as harness:
            os.kill(paused, signal.SIGSTOP)
            await until(lambda: stat_of(paused)[0] == "T", "it was never paused")
            await guardian.kill("killed")
            assert ballast.exists()
            assert not await pid_of(guardian, "killed")
            harness.send_signal(signal.SIGKILL)
            await until(lambda: not unhealed(path), "not healed")
        assert stat_of(paused)[0] == "S"
        assert not ballast.exists()
        assert await pid_of(guardian, "paused") == paused
        assert await pid_of(guardian, "killed") not in {0, killed}
        assert not await gone({helper}, LIMIT_S)


async def test_a_client_that_released_its_journal_leaves_by_itself(tmp_path: Path) -> None:
    path, ballast = tmp_path / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    journal = Journal(path)
    journal.injecting("full", {"type": "file_gone", "path": str(ballast)})
    journal.close()
    async with guarded(tmp_path) as (guardian, sock):
        with client("leave", str(sock), str(path)):
            pass
        await guardian.spawn(command(tmp_path, "later"))
    assert ballast.exists()
    assert unhealed(path)


async def test_a_stack_that_is_taken_down_meanwhile_still_heals_what_outlives_it(
    tmp_path: Path,
) -> None:
    path, ballast = tmp_path / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    sock = tmp_path / "guardian.sock"
    journal = Journal(path)
    journal.injecting("full", {"type": "file_gone", "path": str(ballast)})
    journal.injecting("kill", {"type": "respawn", "socket": str(sock), "name": "killed"})
    dsn = "postgresql://127.0.0.1:1/x"
    journal.injecting("sql", {"type": "sql", "dsn": dsn, "statements": ["SELECT 1"]})
    journal.injecting("odd", {"type": "magic"})
    journal.close()
    async with guarded(tmp_path) as (guardian, _):
        await guardian.hold(path)
    assert not ballast.exists()
    assert [fault for fault, _ in unhealed(path)] == ["odd"]
    assert "does not know how to undo 'magic'" in (tmp_path / "guardian.log").read_text()


async def test_a_journal_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    ballast = tmp_path / "ballast"
    ballast.write_text("x")
    journal = Journal(tmp_path / "j.jsonl")
    journal.injecting("full", {"type": "file_gone", "path": str(ballast)})
    journal.close()
    (tmp_path / "own.jsonl").mkdir()  # what the guardian itself heals from
    async with guarded(tmp_path) as (guardian, _):
        await guardian.hold(journal.path)
    assert not ballast.exists()
    assert "own.jsonl: IsADirectoryError" in (tmp_path / "guardian.log").read_text()


async def test_a_service_that_was_started_again_meanwhile_is_signalled(tmp_path: Path) -> None:
    script = "import os, signal, time; signal.signal(1, lambda *_: os._exit(7)); time.sleep(60)"
    async with guarded(tmp_path) as (guardian, sock):
        first = await guardian.spawn(command(tmp_path, "service", sys.executable, "-c", script))
        await guardian.kill("service")
        await guardian.spawn(command(tmp_path, "service", sys.executable, "-c", script))
        assert await pid_of(guardian, "service") not in {0, first}
        journal = Journal(tmp_path / "j.jsonl")
        undo = {"type": "signal_named", "socket": str(sock), "name": "service", "signum": 1}
        journal.injecting("few", undo)
        journal.close()
        assert not any((await asyncio.to_thread(heal, journal.path)).values())
        assert await guardian.wait_exit("service", LIMIT_S) == 7  # by its own handler


async def test_a_process_is_started_again_as_it_was_unless_it_runs(tmp_path: Path) -> None:
    undo = {"type": "respawn", "socket": str(tmp_path / "guardian.sock"), "name": "it"}
    path = tmp_path / "j.jsonl"
    async with guarded(tmp_path) as (guardian, _):
        first = await guardian.spawn(command(tmp_path, "it", "sh", "-c", "echo up; sleep 100"))

        async def respawned(limit_s: float = LIMIT_S) -> str:
            journal = Journal(path)
            journal.injecting("f", undo)
            journal.close()
            return (await asyncio.to_thread(heal, path, limit_s=limit_s))["f"]

        assert not await respawned()
        assert await pid_of(guardian, "it") == first
        await guardian.kill("it")
        assert not await respawned()
        assert await pid_of(guardian, "it") not in {0, first}
        undo["name"] = "nobody"
        assert "nobody was never started" in await respawned()


async def test_a_process_that_takes_its_time_to_end_is_hurried(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    async with guarded(tmp_path) as (guardian, sock):
        script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
        first = await guardian.spawn(command(tmp_path, "it", "sh", "-c", script))
        await until(lambda: log.exists() and "up" in log.read_text(), "never up")
        stopping = asyncio.create_task(guardian.stop("it", 60.0))
        path = tmp_path / "j.jsonl"
        journal = Journal(path)
        journal.injecting("f", {"type": "respawn", "socket": str(sock), "name": "it"})
        journal.close()
        await guardian.status()  # the stop has arrived
        assert (await asyncio.to_thread(heal, path, limit_s=LIMIT_S))["f"] == ""
        assert await stopping == -signal.SIGKILL
        assert await pid_of(guardian, "it") not in {0, first}
        with pytest.raises(StackError, match="already runs"):
            await guardian.spawn(command(tmp_path, "it"))


async def test_somebody_elses_toxiproxy_is_as_it_was_found_after_a_sigkill(tmp_path: Path) -> None:
    with running("embedded") as url:
        theirs = Toxiproxy(url)
        await theirs.create("cache", "127.0.0.1:0", "127.0.0.1:1")
        before = await theirs.listing()
        with client("guest", str(tmp_path), url) as harness:
            assert set(await theirs.listing()) == {"cache", "flashdrill-1-redis"}
            harness.send_signal(signal.SIGKILL)
            await until(lambda: not unhealed(tmp_path / "journal.jsonl"), "not given back")
        assert await theirs.listing() == before
