"""The crowd under Locust's own command line: real masters and workers against a tiny service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from flashdrill.analysis.columns import columns
from flashdrill.load.schedule import arrivals
from flashdrill.model.history import read_ops
from flashdrill.plan.scenario import load_scenario
from flashdrill.stack.ports import choose_ports
from tests.services.load_shop import SECRET, Shop

pytestmark = pytest.mark.services
LOCUSTFILE = Path(__file__).parents[2] / "scenarios" / "flash_sale.py"
LIMIT_S = 60
SCENARIO = f"""
name: party
locustfile: {LOCUSTFILE}
seed: 3
world: {{users: 50, products: [{{sku: cold-1, price: "5.00", stock: 1000}}]}}
parameters: {{double_click_share: 0}}
stages:
  - {{name: first, duration: 1s, arrivals: {{order: 20/s}}}}
  - {{name: second, duration: 2s, arrivals: {{browse: 10/s, order: {{from: 20/s, to: 30/s}}}}}}
"""


class Party:
    """Locust processes that share an environment, and what they say."""

    def __init__(self, folder: Path, url: str) -> None:
        self.runs = folder / "runs"
        self.scenario = folder / "party.yaml"
        self.scenario.write_text(SCENARIO)
        (folder / "secret").write_text(SECRET)
        self.port = choose_ports(["master"], fixed={})["master"]
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "FLASHDRILL_"))},
            "FLASHDRILL_SCENARIO": str(self.scenario),
            "FLASHDRILL_BACKEND_URL": url,
            "FLASHDRILL_HMAC_SECRET_FILE": str(folder / "secret"),
            "FLASHDRILL_RUN_DIR": str(self.runs),
        }
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "locust", "--locustfile", str(LOCUSTFILE), *options),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._processes.append(process)
        return process

    async def master(self, workers: int) -> asyncio.subprocess.Process:
        options = ["--master", "--headless", "--users", "1", "--expect-workers", str(workers)]
        address = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.port)]
        return await self.start(*options, *address)

    async def worker(self) -> asyncio.subprocess.Process:
        return await self.start(
            "--worker", "--master-host", "127.0.0.1", "--master-port", str(self.port)
        )

    async def clean_up(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def due_times_s(self) -> list[np.ndarray]:
        """The due times of the arrivals on each record, from the first one on all of them."""
        records = [columns(read_ops(path)) for path in sorted(self.runs.rglob("*.parquet"))]
        return [record.due_ns[record.is_arrival] / 1e9 for record in records]

    def schedule_s(self) -> np.ndarray:
        scenario = load_scenario(self.scenario)
        return np.array([a.due_s for a in arrivals(scenario.stages, scenario.seed)])


@asynccontextmanager
async def gathered(folder: Path) -> AsyncIterator[tuple[Party, Shop]]:
    async with Shop().serving() as shop:
        party = Party(folder, shop.url)
        try:
            yield party, shop
        finally:
            await party.clean_up()


async def last_words(process: asyncio.subprocess.Process) -> str:
    _, said = await asyncio.wait_for(process.communicate(), LIMIT_S)
    return said.decode()


async def until_heard(process: asyncio.subprocess.Process, words: str) -> str:
    """What a process says until it says this."""
    assert process.stderr is not None
    heard = ""
    async with asyncio.timeout(LIMIT_S):
        while words not in heard:
            line = await process.stderr.readline()
            assert line, heard
            heard += line.decode()
    return heard


async def test_two_workers_send_exactly_the_schedule(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, shop):
        master = await party.master(2)
        workers = [await party.worker() for _ in range(2)]
        said = await last_words(master)
        assert [await asyncio.wait_for(w.wait(), LIMIT_S) for w in workers] == [0, 0]

        records = party.due_times_s()
        assert len(records) == 2
        sent = np.sort(np.concatenate(records))
        schedule = party.schedule_s()
        assert len(sent) == len(schedule)
        # Both took the start from one message, each by its own reading of the clocks.
        assert np.ptp(sent - schedule) < 0.05
        assert f"in all: {len(schedule)} due" in said
        assert max(shop.keys.values()) == 1
        assert master.returncode in {0, 3}, "3 only if this machine made the generator late"
        assert (master.returncode == 3) == ("cannot be trusted" in said)


async def test_a_worker_that_is_killed_is_missed(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, _):
        party.scenario.write_text(SCENARIO.replace("duration: 2s", "duration: 8s"))
        master = await party.master(2)
        workers = [await party.worker() for _ in range(2)]
        await until_heard(workers[0], "of the schedule")
        workers[0].send_signal(signal.SIGKILL)
        said = await last_words(master)
        assert "is gone: its share of the schedule is not sent" in said
        assert "1 of 2 shares are missing: this was not the whole schedule" in said
        assert master.returncode == 3


async def test_one_process_alone_sends_it_all(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, _):
        process = await party.start("--headless", "--users", "7")
        said = await last_words(process)
        (record,) = party.due_times_s()
        schedule = party.schedule_s()
        assert np.ptp(record - schedule) < 1e-6
        assert f"in all: {len(schedule)} due" in said


async def test_a_missing_variable_is_named_and_nothing_runs(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, shop):
        del party.environment["FLASHDRILL_BACKEND_URL"]
        process = await party.start("--headless", "--users", "1")
        said = await last_words(process)
        assert process.returncode == 2
        assert "FLASHDRILL_BACKEND_URL is not set" in said
        assert "Traceback" not in said
        assert not shop.requests
