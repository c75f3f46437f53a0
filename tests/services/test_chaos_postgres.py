"""What can be done to a PostgreSQL server, done to a real one: seen, healed, honest when sabotaged, undone by others.

    python -m tests.services.test_chaos_postgres DSN FOLDER LEAVE

makes every fault at once, says so in one line, and waits to be stopped or killed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.row_lock import RowLock
from flashdrill.chaos.session import session_name
from flashdrill.chaos.target import Target
from flashdrill.model.faults import FaultRecord
from flashdrill.model.journal import unhealed
from tests.services import servers
from tests.services.chaos_rig import HOST, PATIENCE_S
from tests.services.fault_bench import Bench

pytestmark = pytest.mark.services

MAX_CONNECTIONS = 40
IN_FORCE_S = 2.5
SCHEMA = """
CREATE TABLE stock (sku text PRIMARY KEY, available int NOT NULL);
INSERT INTO stock SELECT 'hot-' || n, n FROM generate_series(1, 20) AS n;
CREATE SCHEMA "Shop";
CREATE TABLE "Shop"."Order Lines" (id int PRIMARY KEY, sku text, price int);
INSERT INTO "Shop"."Order Lines" SELECT n, 'hot-' || n, n FROM generate_series(1, 2000) AS n;
CREATE INDEX "by 'Price'" ON "Shop"."Order Lines" (price) WHERE price > 5;
COMMENT ON INDEX "Shop"."by 'Price'" IS 'it''s for the list';
CREATE TABLE prices (sku text, cents int);
CREATE UNIQUE INDEX prices_sku ON prices (sku);
CREATE VIEW cheap AS SELECT * FROM prices;
"""
INDEX = '"Shop"."by \'Price\'"'

FAULTS: dict[str, dict[str, Any]] = {
    "row_lock": {"table": "stock", "where": "sku = 'hot-1' -- the first"},
    "table_lock": {"table": "prices"},
    "dropped_index": {"index": INDEX},
    "slow_queries": {"sessions": 2, "query_time": 0.2},
    "read_only": {},
}
"""These can be in force on one server at the same time; connections_taken is tried by itself."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("postgres")
    servers.initdb(folder / "template")
    with (folder / "template" / "postgresql.conf").open("a") as settings:
        settings.write(f"max_connections = {MAX_CONNECTIONS}\n")
    with servers.postgres(folder, folder / "template") as dsn:
        asyncio.run(servers.create_database(dsn))
        asyncio.run(_prepare(dsn))
        yield dsn


async def _prepare(dsn: str) -> None:
    async with login(dsn) as customer:
        await customer.execute(SCHEMA)


@asynccontextmanager
async def login(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A session of a customer."""
    session = await asyncpg.connect(dsn, ssl=False, timeout=PATIENCE_S)
    try:
        yield session
    finally:
        session.terminate()


def bench(dsn: str, folder: Path, kind: str) -> Bench:
    """The server as a target; the fault is called as its kind."""
    folder.mkdir(parents=True, exist_ok=True)
    place = urlsplit(dsn)
    address = (HOST, int(place.port or 0))
    kinds = frozenset({"tcp", "postgres"})
    return Bench(Target("db", kinds, None, address, address, dsn=dsn), folder, fault=kind)


async def state(dsn: str) -> dict[str, Any]:
    """What must be as it was before; a write must be taken, and no lock be held."""
    async with login(dsn) as customer:
        await customer.execute(
            "UPDATE stock SET available = available; UPDATE prices SET cents = 1"
        )
        sessions = await customer.fetch(
            "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'flashdrill%'"
        )
        index = await customer.fetchrow(
            "SELECT pg_get_indexdef(indexrelid) AS definition, indisvalid AS is_valid, "
            "obj_description(indexrelid, 'pg_class') AS comment "
            "FROM pg_index WHERE indexrelid = to_regclass($1)",
            INDEX,
        )
        kept = await customer.fetch(
            "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"
        )
        return {
            "sessions": sessions,
            "index": index and dict(index),
            "kept": [dict(row) for row in kept],
        }


CLEAN: dict[str, Any] = {
    "sessions": [],
    "index": {
        "definition": 'CREATE INDEX "by \'Price\'" ON "Shop"."Order Lines" USING btree (price) WHERE (price > 5)',
        "is_valid": True,
        "comment": "it's for the list",
    },
    "kept": [],
}


async def clean(dsn: str) -> None:
    """The server is as it was, as soon as sessions that were closed are gone."""
    await servers.eventually("no session is left", lambda: _is_clean(dsn))
    assert await state(dsn) == CLEAN


async def _is_clean(dsn: str) -> bool:
    return (await state(dsn))["sessions"] == []


async def tried(dsn: str, folder: Path, kind: str, sabotage: str = "") -> FaultRecord:
    """One kind, by itself or beside others."""
    it = bench(dsn, folder / kind, kind)
    return await it.run(kind, sabotage, duration_s=IN_FORCE_S, **FAULTS[kind])


async def every(dsn: str, folder: Path, sabotage: str = "") -> dict[str, FaultRecord]:
    """Every kind at the same time on one server."""
    async with asyncio.TaskGroup() as group:
        tasks = {kind: group.create_task(tried(dsn, folder, kind, sabotage)) for kind in FAULTS}
    return {kind: task.result() for kind, task in tasks.items()}


async def test_they_are_seen_and_healed_all_at_once_on_one_server(
    server: str, tmp_path: Path
) -> None:
    records = await every(server, tmp_path)
    for kind, record in records.items():
        assert record.effect_observed, record
        assert record.healed, record
        assert not record.error
        assert unhealed(tmp_path / kind / "journal.jsonl") == []
    found = {kind: record.evidence for kind, record in records.items()}
    assert found["row_lock"]["rows_locked"] == 1
    assert found["row_lock"]["refused_in_a_row"] == 3
    assert found["row_lock"]["refused_with"].startswith("55P03: could not obtain lock on row")
    assert found["table_lock"]["mode"] == "AccessExclusiveLock"
    assert found["table_lock"]["locks_held"] == 1
    assert found["table_lock"]["refused_with"] == (
        '55P03: could not obtain lock on relation "public.prices"'
    )
    assert found["dropped_index"]["was_used_before"] is True
    assert found["dropped_index"]["look_up_before"][-1].endswith("Scan using by 'Price'")
    assert found["dropped_index"]["look_up"] == ["Seq Scan"]
    assert found["dropped_index"]["scan_counters"] == 0
    assert found["dropped_index"]["healing"]["definition"] == CLEAN["index"]["definition"]
    assert found["slow_queries"]["at_work"] == 2
    assert found["slow_queries"]["looks_with_all_at_work"] == 3
    assert found["slow_queries"]["small_query_ms"] > 0
    assert found["read_only"]["refused_with"].startswith("25006: cannot execute INSERT")
    assert found["read_only"]["session_from_before"].startswith("25006")
    assert found["read_only"]["healing"] == {"kept_setting": "none", "write": "taken"}
    for kind in ("row_lock", "table_lock", "slow_queries"):
        assert found[kind]["healing"] == {"sessions_left": 0}
    await clean(server)


async def test_injections_that_do_nothing_are_not_seen(server: str, tmp_path: Path) -> None:
    for kind, record in (await every(server, tmp_path, "inject")).items():
        assert not record.effect_observed, (kind, record)
        assert record.healed, record
        assert "not seen" in record.error
    await clean(server)


async def test_healings_that_do_nothing_are_told(server: str, tmp_path: Path) -> None:
    records = await every(server, tmp_path, "heal")
    for kind, record in records.items():
        assert record.effect_observed, (kind, record)
        assert not record.healed
        assert "NOT HEALED" in record.error
    assert "1 of its sessions are left" in records["row_lock"].error
    assert "2 of its sessions are left" in records["slow_queries"].error
    assert "is not there" in records["dropped_index"].error
    assert "postgresql.auto.conf says 'on'" in records["read_only"].error
    await clean(server)


@pytest.mark.parametrize("leave", [0, 3])
async def test_connections_are_taken_and_given_back(
    server: str, tmp_path: Path, leave: int
) -> None:
    async with login(server) as customer:
        it = bench(server, tmp_path, "taken")
        record = await it.run("connections_taken", duration_s=IN_FORCE_S, leave=leave)
        assert record.effect_observed, record
        assert record.healed, record
        assert record.evidence["logins_tried"] == leave + 3
        assert record.evidence["logins_refused"] >= 3
        assert record.evidence["refused_with"] == ["53300"]
        assert record.evidence["max_connections"] == MAX_CONNECTIONS
        # all but the customer, the watcher and what is left; the role is a superuser
        assert record.evidence["sessions_taken"] == MAX_CONNECTIONS - 2 - leave
        assert record.evidence["healing"] == {"sessions_left": 0, "login": "works"}
        assert await customer.fetchval("SELECT 1") == 1, "who is in stays in"
    await clean(server)


async def test_slots_that_become_free_are_taken(server: str, tmp_path: Path) -> None:
    it = bench(server, tmp_path, "taken")
    async with AsyncExitStack() as customers:
        for _ in range(5):
            await customers.enter_async_context(login(server))
        async with login(server) as observer, it.in_force("connections_taken", leave=0):
            assert await _taken(observer) == MAX_CONNECTIONS - 7
            await customers.aclose()
            await servers.eventually("the slots are taken", lambda: _all_taken(observer, 2))
            with pytest.raises(asyncpg.TooManyConnectionsError):
                await asyncpg.connect(server, ssl=False)
    await clean(server)


async def _taken(customer: asyncpg.Connection[Any]) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
    return int(await customer.fetchval(query, session_name("taken")))


async def _all_taken(customer: asyncpg.Connection[Any], others: int) -> bool:
    return await _taken(customer) == MAX_CONNECTIONS - others


async def test_connections_that_nobody_took_or_gave_back(server: str, tmp_path: Path) -> None:
    record = await bench(server, tmp_path / "1", "f").run("connections_taken", "inject", leave=0)
    assert not record.effect_observed
    assert record.evidence["logins_refused"] == record.evidence["sessions_taken"] == 0
    assert record.healed
    record = await bench(server, tmp_path / "2", "f").run("connections_taken", "heal", leave=2)
    assert record.effect_observed
    assert not record.healed
    assert f"{MAX_CONNECTIONS - 3} of its sessions are left" in record.error
    await clean(server)


async def test_a_lock_beside_connections_that_are_all_taken(server: str, tmp_path: Path) -> None:
    lock = bench(server, tmp_path / "lock", "lock")
    async with (
        lock.in_force("row_lock", table="stock", where="true"),
        bench(server, tmp_path / "taken", "taken").in_force("connections_taken", leave=0),
    ):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(server, ssl=False)
    assert lock.phases() == ["inject", "observed", "healed"]
    await clean(server)


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no rows": ("row_lock", {"table": "stock", "where": "sku = 'no'"}, "no row of 'stock' on db"),
    "no table": ("row_lock", {"table": "stick", "where": "true"}, "db has no table 'stick'"),
    "a view": ("table_lock", {"table": "cheap", "mode": "share"}, "'cheap' on db is no table"),
    "no mode": ("table_lock", {"table": "stock", "mode": "harsh"}, "no mode 'harsh'"),
    "no index": (
        "dropped_index",
        {"index": "by_nothing"},
        "not seen to have an index 'by_nothing'",
    ),
    "a key": ("dropped_index", {"index": "stock_pkey"}, "it backs the constraint stock_pkey"),
    "unique": ("dropped_index", {"index": "public.prices_sku"}, "it keeps rows unique"),
}


async def test_what_cannot_be_done_is_refused(server: str, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for number, (kind, parameters, words) in enumerate(REFUSALS.values()):
            group.create_task(_refused(server, tmp_path / str(number), kind, parameters, words))
    await clean(server)


async def _refused(
    dsn: str, folder: Path, kind: str, parameters: dict[str, Any], words: str
) -> None:
    record = await bench(dsn, folder, folder.name).run(kind, **parameters)
    assert words in record.error
    assert not record.was_made
    assert not record.effect_observed
    assert record.healed, record


class WasFree(RowLock):
    """The customers' lock came after the baseline."""

    async def before(self, ctx: FaultContext) -> bool:
        return True


async def test_a_lock_that_customers_hold_proves_nothing(server: str, tmp_path: Path) -> None:
    async with login(server) as customer, customer.transaction():
        await customer.execute("SELECT FROM stock FOR UPDATE")
        it = bench(server, tmp_path, "lock")
        it.kinds["row_lock"] = WasFree
        record = await it.run("row_lock", "inject", table="stock", where="true")
    assert record.evidence["refused_in_a_row"] == 3
    assert record.evidence["was_free_before"] is True
    assert record.evidence["locks_held"] == 0
    assert not record.effect_observed
    await clean(server)


@pytest.mark.parametrize("mode", ["exclusive", "share_row_exclusive", "share"])
async def test_the_other_modes(server: str, tmp_path: Path, mode: str) -> None:
    it = bench(server, tmp_path, mode)
    async with it.in_force("table_lock", table="stock", mode=mode), login(server) as customer:
        assert await customer.fetchval("SELECT count(*) FROM stock") == 20
        await customer.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await customer.execute("UPDATE stock SET available = 0")
    await clean(server)


async def test_a_setting_that_was_there_is_there_again(server: str, tmp_path: Path) -> None:
    async with login(server) as customer:
        await customer.execute("ALTER SYSTEM SET default_transaction_read_only = 'no'")
        try:
            record = await bench(server, tmp_path, "f").run("read_only")
            assert record.effect_observed, record
            assert record.healed
            assert record.evidence["healing"]["kept_setting"] == "no"
            assert (await state(server))["kept"] == [
                {"name": "default_transaction_read_only", "setting": "no"}
            ]
        finally:
            await customer.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await clean(server)


async def test_a_broken_build_is_dropped_and_built_again(server: str, tmp_path: Path) -> None:
    async with (
        login(server) as customer,
        bench(server, tmp_path, "f").in_force("dropped_index", index=INDEX) as undo,
    ):
        await _break_a_build(server, customer)
        index = await state(server)
        assert index["index"]["is_valid"] is False
    await clean(server)
    assert len(undo["statements"]) == 3


async def _break_a_build(dsn: str, writer: asyncpg.Connection[Any]) -> None:
    """CONCURRENTLY waits for a writer, until it may wait no longer: it leaves what it has."""
    async with writer.transaction(), login(dsn) as builder:
        await writer.execute('UPDATE "Shop"."Order Lines" SET price = price')
        await builder.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await builder.execute(
                CLEAN["index"]["definition"].replace("INDEX", "INDEX CONCURRENTLY")
            )


async def test_sessions_that_somebody_else_ended(server: str, tmp_path: Path) -> None:
    it = bench(server, tmp_path, "f")
    async with it.in_force("row_lock", table="stock", where="true") as undo:
        await undo_by_hand(undo)
    assert it.phases() == ["inject", "observed", "failed", "healed"]
    assert it.events[2]["detail"] == "it had ended before it was healed"
    await clean(server)


async def undo_by_hand(undo: dict[str, Any]) -> None:
    """Each statement by itself, by somebody who has only the DSN."""
    assert undo["type"] == "sql"
    for statement in undo["statements"]:
        async with login(undo["dsn"]) as somebody:
            await somebody.execute(statement)


@asynccontextmanager
async def harness(dsn: str, folder: Path, leave: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with every fault in force; killed at the end."""
    folder.mkdir(exist_ok=True)
    with (folder / "stderr").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, dsn, str(folder), str(leave)),
            cwd=servers.ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await process.stdout.readline()
        assert line == b"in force\n", (folder / "stderr").read_text()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def undos(folder: Path) -> list[dict[str, Any]]:
    """What the journals say, newest fault first."""
    kinds = ("connections_taken", *reversed(FAULTS))
    return [undo for kind in kinds for _, undo in unhealed(folder / kind / "journal.jsonl")]


async def test_what_a_stopped_harness_left_is_undone_by_its_journal(
    server: str, tmp_path: Path
) -> None:
    async with harness(server, tmp_path, leave=2) as process:
        process.send_signal(signal.SIGSTOP)
        async with login(server) as customer:
            names = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flashdrill-%'"
            )
            assert await customer.fetchval(names) > 10
        steps = undos(tmp_path)
        assert len(steps) == 6
        await _restore(steps)
        process.kill()
    await clean(server)
    await _restore(steps)  # twice changes nothing
    await clean(server)


async def test_what_a_killed_harness_left_is_undone_by_its_journal(
    server: str, tmp_path: Path
) -> None:
    async with harness(server, tmp_path, leave=0) as process:
        process.kill()
    await servers.eventually("its sessions die with it", lambda: _nobody_left(server))
    await _restore(undos(tmp_path))
    await clean(server)


async def _nobody_left(dsn: str) -> bool:
    try:
        async with login(dsn) as customer:
            names = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flashdrill%'"
            )
            return int(await customer.fetchval(names)) == 0
    except asyncpg.TooManyConnectionsError:
        return False


async def _restore(steps: list[dict[str, Any]]) -> None:
    """Read-only first: it keeps an index from being built."""
    for undo in sorted(steps, key=lambda step: "read_only" not in str(step)):
        await undo_by_hand(undo)


async def _all_in_force(dsn: str, folder: Path, leave: int) -> None:
    async with AsyncExitStack() as stack:
        for kind, parameters in {**FAULTS, "connections_taken": {"leave": leave}}.items():
            it = bench(dsn, folder / kind, kind)
            await stack.enter_async_context(it.in_force(kind, **parameters))
        print("in force", flush=True)
        await asyncio.sleep(PATIENCE_S)


if __name__ == "__main__":
    asyncio.run(_all_in_force(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
