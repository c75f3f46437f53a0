"""Each planted defect does its harm, and without it the same story ends well."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.backends import World, reach_level_1, servers_of_a_session, users_of, world
from tests.services.servers import Stack, eventually
from tests.services.shop import Shop, order_rows, sold

pytestmark = pytest.mark.services
QUEUED = 20


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from servers_of_a_session()


@pytest.mark.parametrize("defect", ["", "oversell"])
async def test_oversell(stack: Stack, tmp_path: Path, defect: str) -> None:
    async with (
        world(stack, tmp_path, {"hot": 60}, defect=defect) as made,
        made.serving() as (_, shop),
    ):
        answers = await _rush(shop, orders=200, every_s=0.02)
    confirmed = Counter(a.status for a in answers)[201]
    units = await sold(made.dsns, "hot")
    assert confirmed == units
    assert units == 60 if not defect else units > 60


async def _rush(shop: Shop, *, orders: int, every_s: float) -> list:  # type: ignore[type-arg]
    """Orders that arrive on a schedule, however the service fares."""
    async with asyncio.TaskGroup() as group:
        calls = []
        for number in range(orders):
            calls.append(group.create_task(shop.order(f"u{number}", "k", {"hot": 1})))
            await asyncio.sleep(every_s)
    return [call.result() for call in calls]


async def _drained(shop: Shop) -> None:
    async def is_drained() -> bool:
        shard = (await shop.get("/readyz")).body["shards"]["shard0"]
        return shard["queued"] == 0 and shard["usable"]

    await eventually("the queue is drained", is_drained)


async def _queue(shop: Shop, users: list[str]) -> None:
    """An order of each user, queued; whoever is refused on a stalled machine comes again."""

    async def one(user: str) -> None:
        async def is_queued() -> bool:
            return (await shop.order(user, f"q-{user}", {"a": 1})).status == 202

        await eventually(f"the order of {user} is queued", is_queued)

    await asyncio.gather(*(one(user) for user in users))


async def _recorded(made: World) -> int:
    return sum(row["idempotency_key"].startswith("q-") for row in await order_rows(made.dsns))


@pytest.mark.parametrize("defect", ["", "lose-queued"])
async def test_lose_queued(stack: Stack, tmp_path: Path, defect: str) -> None:
    users = users_of(0, QUEUED)
    settings = {"defect": defect, "purchase_limit": 1000}
    async with world(stack, tmp_path, {"a": 4000}, **settings) as made:
        async with made.serving() as (backend, shop):
            made.lines["shard0"].is_black_hole = True
            await reach_level_1(shop, users, "a")
            await _queue(shop, users)
            backend.kill()
        made.lines["shard0"].heal()
        async with made.serving() as (_, shop):
            await _drained(shop)
        recorded = await _recorded(made)
    assert recorded == QUEUED if not defect else recorded < QUEUED


@pytest.mark.parametrize("defect", ["", "silent-drop"])
async def test_silent_drop(stack: Stack, tmp_path: Path, defect: str) -> None:
    users = users_of(0, QUEUED)
    settings = {"defect": defect, "purchase_limit": 1000}
    async with (
        world(stack, tmp_path, {"a": 4000}, **settings) as made,
        made.serving() as (_, shop),
    ):
        made.lines["shard0"].is_black_hole = True
        await reach_level_1(shop, users, "a")
        await _queue(shop, users)
        made.lines["shard0"].heal()
        await _drained(shop)
        recorded = await _recorded(made)
    assert recorded == QUEUED if not defect else recorded < QUEUED


@pytest.mark.parametrize("defect", ["", "double-on-retry"])
async def test_double_on_retry(stack: Stack, tmp_path: Path, defect: str) -> None:
    async with (
        world(stack, tmp_path, {"a": 400}, defect=defect) as made,
        made.serving() as (_, shop),
    ):
        (user,) = users_of(0, 1)
        assert (await shop.order(user, "warm", {"a": 1})).status == 201
        made.lines["shard0"].is_black_hole = True
        assert (await shop.order(user, "k", {"a": 1})).slug == "unknown-commit"
        made.lines["shard0"].heal()
        assert (await shop.order(user, "k", {"a": 1})).status == 201
        rows = [r for r in await order_rows(made.dsns) if r["idempotency_key"] == "k"]
    assert len(rows) == (2 if defect else 1)


async def test_a_defect_is_announced(stack: Stack, tmp_path: Path) -> None:
    async with (
        world(stack, tmp_path, {"a": 4}, defect="silent-drop") as made,
        made.serving() as (backend, _),
    ):
        assert "DEFECT 'silent-drop' IS ON" in backend.log.read_text()
        assert made.settings.exists()
