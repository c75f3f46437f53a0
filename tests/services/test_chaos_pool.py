"""The pool of the reference service drained from outside: seen, healed, and honest when sabotaged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from flashdrill.chaos.catalogue import load_own
from flashdrill.chaos.target import Address, Target
from tests.services import backends, servers
from tests.services.fault_bench import Bench
from tests.services.servers import Backend, Stack

pytestmark = pytest.mark.services

OWN = load_own(servers.ROOT / "chaos" / "faults")
POOL = 4


@pytest.fixture(scope="module")
def session() -> Iterator[Stack]:
    yield from backends.servers_of_a_session()


@asynccontextmanager
async def bench(session: Stack, folder: Path) -> AsyncIterator[Bench]:
    """The service with two databases, all of them targets."""
    async with (
        backends.world(session, folder, {"hot": 10}, pool_size=POOL) as made,
        made.serving() as (backend, _),
    ):
        others = {}
        for number, dsn in enumerate(made.dsns):
            name = f"shard{number}"
            line = ("127.0.0.1", made.lines[name].port)
            kinds = frozenset({"tcp", "postgres"})
            others[name] = Target(name, kinds, None, line, _address(dsn), dsn=dsn)
        yield Bench(_service(backend), folder, kinds=OWN, others=others)


def _service(backend: Backend) -> Target:
    address = ("127.0.0.1", backend.port)
    kinds = frozenset({"tcp", "http"})
    return Target("backend", kinds, None, address, address, settings_file=backend.settings_path)


def _address(dsn: str) -> Address:
    place = urlsplit(dsn)
    return str(place.hostname), int(place.port or 0)


async def test_the_pool_is_drained_and_given_back(session: Stack, tmp_path: Path) -> None:
    async with bench(session, tmp_path) as it:
        record = await it.run("pool_drained", duration_s=2.5, database="shard1")
        assert record.effect_observed, record
        assert record.healed, record
        found = record.evidence
        assert found["most_sessions_waiting"] >= found["pool_size"] == POOL
        assert found["waiting"] == ["flashdrill-backend"]
        assert found["read_before"].startswith("404 after")
        assert not found["read"].startswith("404") or _ms(found["read"]) > 300
        assert list(found["other_reads"]) == ["shard0"]
        assert found["other_reads"]["shard0"].startswith("404 after")
        assert found["healing"]["read"].startswith("404 after")
        assert found["healing"]["sessions_left"] == 0
        assert await _locks(it.others["shard1"].dsn) == 0


def _ms(words: str) -> float:
    return float(words.split()[-2])


async def test_a_pool_that_nobody_drained_or_gave_back(session: Stack, tmp_path: Path) -> None:
    async with bench(session, tmp_path) as it:
        record = await it.run("pool_drained", "inject", database="shard0")
        assert not record.effect_observed
        assert record.healed
        assert record.evidence["most_sessions_waiting"] == 0
        record = await it.run("pool_drained", "heal", duration_s=2.5, database="shard0")
        assert record.effect_observed, record
        assert not record.healed
        assert "1 of its sessions are left" in record.error
        assert await _locks(it.others["shard0"].dsn) == 0


async def test_databases_that_the_service_does_not_have(session: Stack, tmp_path: Path) -> None:
    async with bench(session, tmp_path) as it:
        record = await it.run("pool_drained", database="shard7")
        assert "there is no database 'shard7'" in record.error
        assert not record.was_made
        it.others["else"] = Target(
            "else", frozenset({"postgres"}), None, ("127.0.0.1", 1), ("127.0.0.1", 1), dsn="x"
        )
        record = await it.run("pool_drained", database="else")
        assert "backend has no database 'else'" in record.error
        assert not record.was_made


async def _locks(dsn: str) -> int:
    customer = await asyncpg.connect(dsn, ssl=False)
    try:
        query = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation'"
        return int(await customer.fetchval(query))
    finally:
        await customer.close()
