"""Samplers and the stuck job on real servers: two shards and a Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flashdrill.chaos.catalogue import load_own
from flashdrill.chaos.target import Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.model.faults import FaultPlan, FaultRecord, PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.observe.sampler import Samplers
from flashdrill.stack.ports import HOST
from flashdrill.stack.postgres import dsn
from tests.services.chaos_rig import Processes
from tests.services.stack_pieces import Pieces, pieces

pytestmark = pytest.mark.services
OWN = Path(__file__).parents[2] / "chaos" / "faults"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name <> 'test' AND backend_type = 'client backend'"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database template of this module."""
    return tmp_path_factory.mktemp("cache")


@contextlib.asynccontextmanager
async def session(address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        address, timeout=10, server_settings={"application_name": "test"}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


async def nobody_else(connection: asyncpg.Connection) -> None:
    async with asyncio.timeout(10):
        while await connection.fetchval(OTHERS):
            await asyncio.sleep(0.01)


def watching(made: Pieces) -> Samplers:
    return Samplers(
        urls={"backend": "http://127.0.0.1:9/metrics"},
        pids=lambda: made.guardian.processes,
        dsns={name: dsn(made.ports[name]) for name in ("shard0", "shard1")},
        redis=(HOST, made.ports["redis"]),
        period_s=0.05,
    )


async def test_stores_and_processes_are_sampled(tmp_path: Path, cache: Path) -> None:
    async with pieces(tmp_path, cache) as made, session(dsn(made.ports["shard0"])) as connection:
        samplers = watching(made)
        table = samplers.table
        async with asyncio.TaskGroup() as group:
            group.create_task(samplers.run())
            await until(lambda: len(table.series("pg_commits_total", shard="shard0")) > 2)
            numbers = itertools.count()
            async with asyncio.timeout(20):  # a busy session tells of its rows once a second
                while not (table.delta("pg_rows_written_total", 0, 2**62, shard="shard0") or 0) > 9:
                    await connection.execute("INSERT INTO orders VALUES ($1)", next(numbers))
                    await asyncio.sleep(0.01)
            await until(lambda: len(table.series("redis_commands_total")) > 2)
            await until(lambda: len(table.series("process_rss_bytes", process="shard0")) > 2)
            samplers.stop()
        assert table.series("pg_sessions", shard="shard0", state="idle", wait_type="Client")
        assert table.delta("redis_commands_total", 0, 2**62)
        count = table.series("process_count", process="shard0")[-1][1]
        assert count > 5, "the postmaster and its children"
        assert set(table.gaps()) == {"backend"}
        await nobody_else(connection)


async def test_a_server_that_goes_and_comes_is_a_gap(tmp_path: Path, cache: Path) -> None:
    async with pieces(tmp_path, cache) as made:
        samplers = watching(made)
        table = samplers.table
        async with asyncio.TaskGroup() as group:
            group.create_task(samplers.run())
            await until(lambda: len(table.series("redis_commands_total")) > 1)
            await made.guardian.kill("redis")
            await until(lambda: "redis" in table.gaps())
            before = len(table.series("redis_commands_total"))
            await made.start("redis")
            await until(lambda: len(table.series("redis_commands_total")) > before + 1)
            samplers.stop()
        assert set(table.gaps()) == {"backend", "redis"}
        assert (table.delta("redis_commands_total", 0, 2**62) or 0) > 0


async def broken(made: Pieces, folder: Path, sku: str, helper: Any = None) -> FaultRecord:
    """The stuck job on shard0, `helper` beside it."""
    address = (HOST, made.ports["shard0"])
    target = Target(
        "shard0", frozenset({"postgres"}), None, address, address, dsn(made.ports["shard0"])
    )
    journal = Journal(folder / "own.jsonl")
    events: list[dict[str, Any]] = []
    chaos = Chaos(
        FaultPlan(
            "p", Path("p"), (PlannedFault("job", "stuck_job", "shard0", 0, 1.5, {"sku": sku}),)
        ),
        kinds=load_own(OWN),
        targets={"shard0": target},
        toxiproxy_url="http://127.0.0.1:9",
        processes=Processes(),
        journal=journal,
        on_event=events.append,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(chaos.run(time.monotonic()))
        if helper is not None:
            await until(lambda: any(event["phase"] == "inject" for event in events))
            await helper()
    journal.close()
    return task.result()[0]


async def test_the_stuck_job(tmp_path: Path, cache: Path) -> None:
    async with pieces(tmp_path, cache) as made, session(dsn(made.ports["shard0"])) as connection:
        await connection.execute("CREATE TABLE stock (sku text PRIMARY KEY, available int)")
        await connection.execute("INSERT INTO stock VALUES ('hot-1', 5), ('cold-1', 5)")

        waited: list[float] = []

        async def sell() -> None:
            await connection.execute("UPDATE stock SET available = 4 WHERE sku = 'cold-1'")
            began = time.monotonic()
            await connection.execute("UPDATE stock SET available = 4 WHERE sku = 'hot-1'")
            waited.append(time.monotonic() - began)

        record = await broken(made, tmp_path, "hot-1", sell)
        assert record.effect_observed, record
        assert record.healed, record
        assert record.evidence["locks_held"] >= 1
        assert waited[0] > 0.5, "the sale of the locked product waits for the job's end"
        await nobody_else(connection)

        record = await broken(made, tmp_path, "no-such-sku")
        assert "no stock of 'no-such-sku'" in record.error
        assert not record.effect_observed
        assert record.healed

        async def dismiss() -> None:
            killer = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'stuck-job' AND state = 'idle in transaction'"
            )
            async with asyncio.timeout(10):
                while not await connection.fetchval(killer):
                    await asyncio.sleep(0.01)

        record = await broken(made, tmp_path, "hot-1", dismiss)
        assert not record.effect_observed, record
        assert record.healed
        await nobody_else(connection)
