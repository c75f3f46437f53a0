"""What can be done to a Redis, done to a real one: seen, healed, and honest when sabotaged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from flashdrill.chaos.target import Target
from flashdrill.model.journal import unhealed
from tests.services import servers
from tests.services.chaos_rig import HOST, PATIENCE_S
from tests.services.fault_bench import Bench, undo_by_hand

pytestmark = pytest.mark.services

SETTINGS = (
    "maxmemory",
    "maxmemory-policy",
    "replica-read-only",
    "replica-serve-stale-data",
    "busy-reply-threshold",
)
KINDS = {
    "redis_blocked": {"busy_after": 0.2},
    "redis_oom": {},
    "redis_readonly": {},
}
KEYS = 50


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[tuple[Bench, Any]]:
    """A Redis of its own with some keys and settings of its own; and a client."""
    folder.mkdir(exist_ok=True)
    with servers.valkey(folder) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        target = Target("redis", frozenset({"tcp", "redis"}), None, (HOST, port), (HOST, port))
        client = Redis(port=port, socket_timeout=5, protocol=2, decode_responses=True)
        try:
            await client.mset({f"k{n}": n for n in range(KEYS)})
            await client.config_set(
                "maxmemory-policy", "allkeys-lru"
            )  # would evict, if it were in force
            yield Bench(target, folder), client
        finally:
            await client.aclose()


async def state(client: Any) -> dict[str, Any]:
    """What must be as it was: settings, role, keys; and a write must be taken."""
    found = {name: (await client.config_get(name))[name] for name in SETTINGS}
    await client.set("k0", "0")
    return {
        **found,
        "role": (await client.info("replication"))["role"],
        "keys": await client.dbsize(),
    }


async def every(check: Callable[[Path, str], Awaitable[None]], folder: Path, *more: str) -> None:
    """The check for each kind, on a server of its own, side by side."""
    async with asyncio.TaskGroup() as group:
        for kind in (*KINDS, *more):
            group.create_task(check(folder / kind, kind))


async def test_they_are_seen_and_nothing_of_them_is_left(tmp_path: Path) -> None:
    await every(seen_and_healed, tmp_path)


async def seen_and_healed(folder: Path, kind: str) -> None:
    async with bench(folder) as (it, client):
        before = await state(client)
        record = await it.run(kind, **KINDS[kind])
        assert record.effect_observed, record
        assert record.healed, record
        assert not record.error
        assert await state(client) == before
        assert unhealed(it.journal_path) == []
        evidence = record.evidence
        if kind == "redis_blocked":
            assert evidence["blocked_ms"] >= 10 * evidence["usual_ms"]
            assert set(evidence["pings"]) <= {"silent", "BUSY"}
        else:
            refusal = {"redis_oom": "OOM", "redis_readonly": "READONLY"}[kind]
            assert (evidence["write_before"], evidence["write_during"]) == ("taken", refusal)
            assert evidence["keys_before"] == evidence["healing"]["keys_after"] == KEYS


async def test_injections_that_do_nothing_are_not_seen(tmp_path: Path) -> None:
    await every(not_seen, tmp_path, "redis_emptied")


async def not_seen(folder: Path, kind: str) -> None:
    async with bench(folder) as (it, client):
        before = await state(client)
        record = await it.run(kind, "inject", **KINDS.get(kind, {}))
        assert not record.effect_observed, record
        assert record.healed, record
        assert await state(client) == before


async def test_healings_that_do_nothing_are_found_out(tmp_path: Path) -> None:
    await every(not_healed, tmp_path)


async def not_healed(folder: Path, kind: str) -> None:
    async with bench(folder) as (it, client):
        before = await state(client)
        record = await it.run(kind, "heal", **KINDS[kind])
        assert record.effect_observed, record
        assert not record.healed, record
        assert "NOT HEALED" in record.error
        assert await state(client) == before, "the real healing came after"


async def test_what_the_journal_says_undoes_them(tmp_path: Path) -> None:
    await every(undone, tmp_path)


async def undone(folder: Path, kind: str) -> None:
    async with bench(folder) as (it, client):
        before = await state(client)
        async with it.in_force(kind, **KINDS[kind]) as undo:
            await undo_by_hand(undo)
            assert await state(client) == before
            await undo_by_hand(undo)  # it may be done twice
            assert await state(client) == before


async def test_what_another_fault_set_is_not_taken_for_usual(tmp_path: Path) -> None:
    """Else it would be set again at the end, when the other one is long healed."""
    async with bench(tmp_path) as (it, client), it.in_force("redis_oom"):
        second = await Bench(it.target, tmp_path / "second").run("redis_oom")
        assert not second.was_made
        assert "takes no write as it is: OOM" in second.error
        assert await client.config_get("maxmemory") == {"maxmemory": "1"}


async def test_a_block_that_somebody_ends_has_ended_early(tmp_path: Path) -> None:
    async with (
        bench(tmp_path) as (it, _),
        it.chaos(it.kinds["redis_blocked"], busy_after=0.1) as chaos,
    ):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(chaos.run(asyncio.get_running_loop().time()))
            async with asyncio.timeout(PATIENCE_S):
                while "observed" not in it.phases():
                    await asyncio.sleep(0.01)
            await undo_by_hand(unhealed(it.journal_path)[0][1])
        (record,) = task.result()
        assert not record.effect_observed
        assert record.healed, record
        assert "it had ended before it was healed" in record.error


async def test_a_replica_keeps_its_primary(tmp_path: Path) -> None:
    async with bench(tmp_path) as (it, client):
        await client.execute_command("REPLICAOF", "127.0.0.1", "0")
        record = await it.run("redis_readonly")
        assert not record.was_made
        assert "would lose its primary" in record.error
        assert (await client.info("replication"))["role"] == "slave"


async def test_an_emptied_redis_is_filled_again_by_its_owner(tmp_path: Path) -> None:
    async with bench(tmp_path) as (it, client):

        async def owner() -> None:
            async with asyncio.timeout(PATIENCE_S):
                while await client.exists("k1"):
                    await asyncio.sleep(0.005)
            await client.set("epoch", 2)  # at once, so that the server never looks empty for long

        async with asyncio.TaskGroup() as group:
            group.create_task(owner())
            record = await it.run("redis_emptied", rebuilt_key="epoch")
        assert record.effect_observed, record
        assert record.healed, record
        assert record.evidence["keys_before"] == KEYS
        assert record.evidence["keys_after"] <= 1
        assert record.evidence["flushes"] == 1
        assert await client.keys() == ["epoch"], "what was there is not put back"


async def test_an_emptied_redis_that_nobody_fills_is_not_healed(tmp_path: Path) -> None:
    async with bench(tmp_path) as (it, _):
        kind = it.kinds["redis_emptied"]
        it.kinds["redis_emptied"] = type("Impatient", (kind,), {"heal_limit_s": 0.5})
        async with it.chaos(it.kinds["redis_emptied"], duration_s=0.3) as chaos:
            (record,) = await chaos.run(asyncio.get_running_loop().time())
        assert record.effect_observed, record
        assert not record.healed
        assert "its owner has not filled it again" in record.error


async def test_an_emptied_redis_need_not_be_filled_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as (it, client):
        record = await it.run("redis_emptied", is_rebuilt=False)
        assert record.effect_observed and record.healed, record
        await client.flushall()
        again = await it.run("redis_emptied")
        assert not again.effect_observed
        assert "it held nothing before" in again.error
