"""A load from workers that come to a master: one schedule, one history, and a worker that is killed is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from flashdrill.load.schedule import arrivals
from flashdrill.model.history import read_ops
from flashdrill.plan.scenario import load_scenario
from flashdrill.stack.ports import choose_ports
from tests.rehearsal.running import ROOT, Run, find, finish, started, wait_until
from tests.rehearsal.test_workers import SCENARIO, shop

HOST = "127.0.0.2"
SOON_S = 30.0
"""A worker waits 5 s for a sign of its master, and its schedule would take two minutes."""


RECRUIT = ("-m", "flashdrill.load.recruit")
OTHER_VERSION = (
    "-c",
    """
import sys, flashdrill
flashdrill.__version__ = "9.9.9"
from flashdrill.load.recruit import main
sys.exit(main(sys.argv[1], int(sys.argv[2])))
""",
)


BUSY = """
import time
until_s = time.monotonic() + 8
while time.monotonic() < until_s:
    pass
"""
"""Locust misses a worker after about five seconds."""


@contextlib.contextmanager
def workers(
    port: int, count: int, folder: Path, program: tuple[str, str] = RECRUIT
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers as they would be on other machines; none is left at the end."""
    command = [sys.executable, "-P", *program, HOST, str(port)]
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    processes = [subprocess.Popen(command, env=environment) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait(10)


async def test_workers_elsewhere_send_one_schedule_and_hand_in_one_history(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    away = tmp_path / "away"
    async with shop(tmp_path) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "2", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 2, away) as processes,
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            run = await asyncio.to_thread(finish, process, out)
            codes = [await asyncio.to_thread(worker.wait, 20) for worker in processes]
    assert run.folder is not None, run.output
    assert codes == [0, 0], run.output
    ops = read_ops(run.folder / "ops.parquet").to_pylist()
    planned = load_scenario(scenario, ())
    due = sorted(round(a.due_s * 1e9) for a in arrivals(planned.stages, planned.seed))
    came = sorted(op["due_ns"] for op in ops if op["is_arrival"])
    assert [ns - came[0] for ns in came] == [ns - due[0] for ns in due], "by one clock"
    assert {op["worker"] for op in ops} == {0, 1}
    generator = run.summary["load"]["generator"]
    assert (generator["due"], generator["ok"]) == (len(due), len(ops))
    assert all(0 < worker["clock_error_ms"] < 100 for worker in generator["workers"])
    assert not list(away.iterdir()), "nothing is left on the workers' machines"


async def test_a_worker_that_is_killed_is_named_and_what_it_handed_in_is_kept(
    tmp_path: Path,
) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    text = SCENARIO.replace("duration: 2s", "duration: 60s")
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "2", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 2, tmp_path / "away") as processes,
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            run = await asyncio.to_thread(_kill_one, processes[0], process, out)
    assert run.exit_code == 3, run.output
    words = " ".join(run.output.split())
    assert "of 2" in words
    assert "was not heard of any more" in words
    assert run.folder is not None
    ops = read_ops(run.folder / "ops.parquet").to_pylist()
    assert {op["worker"] for op in ops} == {0, 1}


def _kill_one(worker: subprocess.Popen[bytes], process: subprocess.Popen[str], out: Path) -> Run:
    _wait_for_records(out, 2)
    os.kill(worker.pid, signal.SIGKILL)
    return finish(process, out)


async def test_a_load_whose_master_is_gone_ends_soon_and_leaves_nothing(tmp_path: Path) -> None:
    """The harness and its master are killed: nobody tells the worker to stop."""
    port = choose_ports(["master"], fixed={})["master"]
    text = SCENARIO.replace("duration: 2s", "duration: 120s")
    away = tmp_path / "away"
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "1", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 1, away) as (worker,),
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            await asyncio.to_thread(_wait_for_records, out, 1)
            process.kill()  # its guardian ends the master
            code = await asyncio.to_thread(worker.wait, SOON_S)
    assert code == 3
    assert not list(away.iterdir())


async def test_a_master_that_is_killed_is_named_and_no_worker_is_blamed(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    text = SCENARIO.replace("duration: 2s", "duration: 120s")
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "1", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 1, tmp_path / "away") as (worker,),
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            await asyncio.to_thread(_wait_for_records, out, 1)
            master = find(process, ("flashdrill.load.master",))
            assert master is not None
            master.kill()
            run = await asyncio.to_thread(finish, process, out)
            code = await asyncio.to_thread(worker.wait, SOON_S)
    assert (run.exit_code, code) == (3, 3), run.output
    assert "the Locust master died in mid-run" in run.summary["reasons"]
    assert not any("worker 1 of 1" in reason for reason in run.summary["reasons"])


async def test_a_worker_that_was_told_to_stop_is_named_and_the_run_does_not_pass(
    tmp_path: Path,
) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    text = SCENARIO.replace("duration: 2s", "duration: 20s")
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "2", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 2, tmp_path / "away") as processes,
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            await asyncio.to_thread(_wait_for_records, out, 2)
            processes[0].terminate()
            run = await asyncio.to_thread(finish, process, out)
    assert run.exit_code == 3, run.output
    assert "the load was not sent to its end: worker" in " ".join(run.output.split())
    stopped = [one["interrupted"] for one in run.summary["load"]["generator"]["workers"]]
    assert sorted(stopped) == [False, True]


async def test_a_run_does_not_begin_without_a_worker_that_was_ready_and_says_who_was_refused(
    tmp_path: Path,
) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    async with shop(tmp_path) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "2", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            started(out, *options, "--no-chaos", scenario=scenario) as process,
            workers(port, 1, tmp_path / "older", OTHER_VERSION) as (other,),
            workers(port, 1, tmp_path / "away") as (worker,),
        ):
            assert await asyncio.to_thread(other.wait, SOON_S) == 3
            await asyncio.to_thread(_wait_until_ready, out)
            worker.terminate()
            assert await asyncio.to_thread(worker.wait, SOON_S) == 3
            run = await asyncio.to_thread(finish, process, out)
    assert run.exit_code == 3, run.output
    words = " ".join(run.output.split())
    assert "was refused: it is flashdrill 9.9.9, the master" in words
    assert "gave up: it was stopped before the start" in words
    assert run.folder is not None
    assert not (run.folder / "start.json").exists()
    assert not list(run.folder.glob("crowd*.json")), "nothing is left of the secret"
    assert not list((tmp_path / "away").iterdir())


async def test_a_worker_whose_import_keeps_it_from_answering_is_waited_for(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    quick, slow = ROOT / "scenarios" / "flash_sale.py", tmp_path / "slow.py"
    slow.write_text(quick.read_text() + BUSY)
    text = SCENARIO.replace(str(quick), str(slow))
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "1", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 1, tmp_path / "away") as (worker,),
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            run = await asyncio.to_thread(finish, process, out)
            code = await asyncio.to_thread(worker.wait, SOON_S)
    assert code == 0, run.output
    (told,) = run.summary["load"]["generator"]["workers"]
    assert 0 < told["clock_error_ms"] < 100, "late answers say nothing of a clock"


async def test_what_workers_had_sent_by_ctrl_c_is_told(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    text = SCENARIO.replace("duration: 2s", "duration: 60s")
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        options = ("--expect-workers", "2", "--bind", f"{HOST}:{port}", "--target", url)
        with (
            workers(port, 2, tmp_path / "away") as processes,
            started(out, *options, "--no-chaos", scenario=scenario) as process,
        ):
            await asyncio.to_thread(_wait_for_records, out, 2)
            process.send_signal(signal.SIGINT)
            run = await asyncio.to_thread(finish, process, out)
            codes = [await asyncio.to_thread(worker.wait, SOON_S) for worker in processes]
    assert (run.exit_code, codes) == (130, [3, 3]), run.output
    told = run.summary["load"]["generator"]["workers"]
    assert all(worker["interrupted"] and worker["due"] > 0 for worker in told)
    assert all(0 < worker["clock_error_ms"] < 100 for worker in told)


def _wait_until_ready(out: Path) -> None:
    def is_ready() -> bool:
        return any("ready" in path.read_text() for path in out.glob("*/live*.jsonl"))

    wait_until("a worker is ready", is_ready)


def _wait_for_records(out: Path, count: int) -> None:
    def recorded() -> bool:
        sizes = [path.stat().st_size for path in out.glob("*/ops*.record")]
        return len(sizes) == count and min(sizes) > 2_000

    wait_until("the workers have handed something in", recorded)
