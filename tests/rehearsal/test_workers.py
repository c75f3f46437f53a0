"""A load of several processes: one schedule, one history, and none of them is missed unseen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from flashdrill.load.schedule import arrivals
from flashdrill.model.history import read_ops
from flashdrill.plan.scenario import load_scenario
from tests.rehearsal.running import ROOT, Run, finish, started, wait_until
from tests.services.load_shop import Shop

SCENARIO = f"""
name: several
locustfile: {ROOT / "scenarios" / "flash_sale.py"}
seed: 5
world: {{users: 50, products: [{{sku: cold-1, price: "5.00", stock: 1000}}]}}
parameters: {{double_click_share: 0}}
stages:
  - {{name: first, duration: 1s, arrivals: {{browse: 20/s, order: 20/s}}}}
  - {{name: second, duration: 2s, arrivals: {{order: {{from: 30/s, to: 40/s}}}}}}
"""


@contextlib.asynccontextmanager
async def shop(folder: Path, text: str = SCENARIO) -> AsyncIterator[tuple[Path, str]]:
    """A scenario's file, and the address of a shop."""
    scenario = folder / "several.yaml"
    scenario.write_text(text)
    async with Shop().serving() as serving:
        yield scenario, serving.url


async def test_three_processes_send_one_schedule_and_leave_one_history(tmp_path: Path) -> None:
    async with shop(tmp_path) as (scenario, url):
        out = tmp_path / "runs"
        with started(
            out, "--target", url, "--workers", "3", "--no-chaos", scenario=scenario
        ) as process:
            run = await asyncio.to_thread(finish, process, out)
    assert run.folder is not None, run.output
    ops = read_ops(run.folder / "ops.parquet").to_pylist()
    planned = load_scenario(scenario, ())
    due = sorted(round(a.due_s * 1e9) for a in arrivals(planned.stages, planned.seed))
    came = sorted(op["due_ns"] for op in ops if op["is_arrival"])
    assert [ns - came[0] for ns in came] == [ns - due[0] for ns in due]
    assert {op["worker"] for op in ops} == {0, 1, 2}
    assert len({op["op_id"] for op in ops}) == len(ops)
    assert [op["done_ns"] for op in ops] == sorted(op["done_ns"] for op in ops)
    generator = run.summary["load"]["generator"]
    assert (generator["due"], generator["ok"]) == (len(due), len(ops))
    assert sum(worker["due"] for worker in generator["workers"]) == len(due)
    assert not list(run.folder.glob("*.record")), "nothing is left of the parts"
    assert not list(run.folder.glob("crowd*.json")), "nor of the secret"


async def test_a_process_that_is_killed_is_named_and_its_operations_are_kept(
    tmp_path: Path,
) -> None:
    text = SCENARIO.replace("duration: 2s", "duration: 60s")
    async with shop(tmp_path, text) as (scenario, url):
        out = tmp_path / "runs"
        with started(
            out, "--target", url, "--workers", "2", "--no-chaos", scenario=scenario
        ) as process:
            run = await asyncio.to_thread(_kill_second, process, out)
    assert run.exit_code == 3, run.output
    assert "load process 2 of 2 (crowd-1) died in mid-run" in " ".join(run.output.split())
    assert run.folder is not None
    ops = read_ops(run.folder / "ops.parquet").to_pylist()
    assert {op["worker"] for op in ops} == {0, 1}


def _kill_second(process: subprocess.Popen[str], out: Path) -> Run:
    def recorded() -> bool:
        return any(path.stat().st_size > 2_000 for path in out.glob("*/ops-1.record"))

    wait_until("the second process has recorded something", recorded)
    (live,) = out.glob("*/live-1.jsonl")
    ready = json.loads(live.read_text().splitlines()[0])
    os.kill(ready["pid"], signal.SIGKILL)
    return finish(process, out)
