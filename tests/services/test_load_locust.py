"""The crowd under Locust's own command line: real masters and workers against a tiny service."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
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
  - {{name: first, duration: 700ms, arrivals: {{order: 30/s}}}}
  - {{name: second, duration: 800ms, arrivals: {{order: {{from: 30/s, to: 40/s}}}}}}
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

    async def start(
        self, *options: str, locustfile: Path = LOCUSTFILE
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "locust", "--locustfile", str(locustfile), *options),
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
        """The due times of the arrivals on each record, by its host's monotonic clock."""
        records = [columns(read_ops(path)) for path in sorted(self.runs.rglob("*.parquet"))]
        return [record.due_ns[record.is_arrival] / 1e9 for record in records]

    def accounts(self) -> list[dict[str, Any]]:
        """What the master, or the only process, says of each run, in their order."""
        return [json.loads(path.read_text()) for path in sorted(self.runs.rglob("run.json"))]

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
        assert len(shop.keys) == len(schedule)
        assert max(shop.keys.values()) == 1
        assert "the numbers of users and the spawn rate do not matter" in said
        assert f"in all: {len(schedule)} of {len(schedule)} due" in said
        (account,) = party.accounts()
        assert (account["status"], account["reasons"]) == ("complete", [])
        assert all(share["part"]["lateness_p99_ms"] >= 0 for share in account["shares"])
        assert master.returncode in {0, 3}, "3 only if this machine made the generator late"
        assert (master.returncode == 3) == ("cannot be trusted" in said)


async def test_a_worker_that_is_killed_is_missed_and_a_later_one_does_not_replace_it(
    tmp_path: Path,
) -> None:
    async with gathered(tmp_path) as (party, _):
        master = await party.master(2)
        workers = [await party.worker() for _ in range(2)]
        await until_heard(workers[0], "sends its share of the schedule")
        workers[0].send_signal(signal.SIGKILL)
        late = await party.worker()
        await until_heard(late, "it takes no part in the test that runs")
        said = await last_words(master)
        assert "is gone: its share is not sent, the load is smaller than the schedule" in said
        assert "came after the start: it has no share" in said
        assert "1 of 2 shares are missing: the load was smaller than the schedule" in said
        assert master.returncode == 3
        (account,) = party.accounts()
        assert account["status"] == "incomplete"
        assert sorted(share["part"] is None for share in account["shares"]) == [False, True]
        assert len(party.due_times_s()) == 1


async def test_the_web_ui_starts_stops_and_starts_again(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, shop), aiohttp.ClientSession() as browser:
        url = f"http://127.0.0.1:{party.port}"
        process = await party.start("--web-host", "127.0.0.1", "--web-port", str(party.port))
        heard = asyncio.create_task(last_words(process))
        press_start = {"user_count": 3, "spawn_rate": 1}
        await until(lambda: is_answered(browser, url))
        async with browser.post(f"{url}/swarm", data=press_start) as answer:
            assert (await answer.json())["success"]
        await until(lambda: has_heard_of(shop, 3))
        async with browser.post(f"{url}/stop") as answer:
            assert answer.status == 200
        async with browser.post(f"{url}/swarm", data=press_start) as answer:
            assert (await answer.json())["success"]
        await until(lambda: has_ended(party, 2))
        async with browser.get(f"{url}/stats/requests") as answer:
            assert answer.status == 200, "the process goes on when a test is over"
        process.terminate()
        said = await heard

        first, second = party.accounts()
        assert (first["status"], first["reasons"]) == ("incomplete", ["stopped before its end"])
        assert (second["status"], second["reasons"]) == ("complete", [])
        schedule = party.schedule_s()
        stopped, whole = party.due_times_s()
        assert 0 < len(stopped) < len(schedule)
        assert np.ptp(whole - schedule) < 1e-6
        assert process.returncode in {0, 3}
        assert (process.returncode == 3) == (said.count("the generator was late") > 0)


async def test_a_crowd_that_cannot_play_says_so_and_ends(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, shop):
        party.scenario.write_text(SCENARIO.replace("order: 30/s", "refund: 30/s"))
        process = await party.start("--headless", "--users", "7")
        said = await last_words(process)
        assert process.returncode == 3
        assert "the locustfile has no journey refund" in said
        assert "Traceback" not in said
        assert not shop.requests
        assert [account["status"] for account in party.accounts()] == ["incomplete"]


async def test_a_missing_variable_is_named_in_one_line_and_nothing_runs(tmp_path: Path) -> None:
    async with gathered(tmp_path) as (party, shop):
        del party.environment["FLASHDRILL_BACKEND_URL"]
        process = await party.start("--headless", "--users", "1")
        said = await last_words(process)
        assert process.returncode == 2
        (line,) = [line for line in said.splitlines() if line.startswith("flashdrill: ")]
        assert line.startswith("flashdrill: FLASHDRILL_BACKEND_URL is not set; ")
        assert "Traceback" not in said
        assert not shop.requests


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await is_so():
            await asyncio.sleep(0.05)


async def is_answered(browser: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with browser.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def has_heard_of(shop: Shop, orders: int) -> bool:
    return len(shop.keys) >= orders


async def has_ended(party: Party, runs: int) -> bool:
    accounts = party.accounts()
    return len(accounts) == runs and all(account["status"] != "running" for account in accounts)
