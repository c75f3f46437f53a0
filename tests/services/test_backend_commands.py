"""The commands of `python -m backend`: what they print, and how they end when something is wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import servers
from tests.services.backends import servers_of_a_session, world
from tests.services.servers import ROOT, Stack, backend_command
from tests.services.shop import query

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from servers_of_a_session()


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_schema_can_be_printed() -> None:
    assert "CREATE OR REPLACE FUNCTION place_orders" in backend_command("schema")


def test_settings_that_cannot_be_end_with_2_and_name_the_key(tmp_path: Path) -> None:
    settings = servers.write_settings(tmp_path, Stack(("postgresql://x",), "redis://x"), colour=1)
    for command in ("serve", "queue"):
        done = ended(command, "--settings", str(settings))
        assert done.returncode == 2
        assert "colour" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_queue_that_was_never_used_is_empty(tmp_path: Path) -> None:
    settings = servers.write_settings(tmp_path, Stack(("postgresql://x",) * 2, "redis://x"))
    assert json.loads(backend_command("queue", "--settings", str(settings))) == {
        "shards": [
            {"shard": 0, "depth": 0, "next_seq": 1},
            {"shard": 1, "depth": 0, "next_seq": 1},
        ],
        "depth": 0,
    }


def test_a_port_that_is_taken_ends_with_4(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = servers.write_settings(
            tmp_path,
            Stack(("postgresql://x@127.0.0.1:1/x",), "redis://127.0.0.1:1"),
            port=taken.getsockname()[1],
        )
        done = ended("serve", "--settings", str(settings))
    assert done.returncode == 4
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_it_starts_when_nothing_else_is_there(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{servers.free_port()}"
    settings = servers.write_settings(
        tmp_path, Stack((f"postgresql://x@{nowhere}/x",), f"redis://{nowhere}")
    )
    with servers.serving(settings) as backend:
        assert backend.terminate() == 0


async def test_seeding_again_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"odd": 5, "none": 0}) as made:
        async with made.serving() as (_, shop):
            assert (await shop.order("u1", "k1", {"odd": 1})).status == 201
        again = {"odd": (100, 50), "new": (250, 4)}
        await asyncio.to_thread(servers.seed, tmp_path, made.settings, again)
        rows = await query(made.dsns, "SELECT sku, initial, available FROM stock ORDER BY sku")
        units = [(r["shard"], r["sku"], r["initial"]) for r in rows if r["sku"] != "new"]
        assert units == [(0, "none", 0), (0, "odd", 3), (1, "none", 0), (1, "odd", 2)]
        assert sum(r["available"] for r in rows if r["sku"] == "odd") == 4
        async with made.serving() as (_, shop):
            assert (await shop.available("odd"), await shop.available("new")) == (4, 4)
            sold_out = await shop.order("u2", "k2", {"none": 1})
            assert (sold_out.status, sold_out.slug) == (409, "sold-out")


async def test_seeding_while_it_serves_leaves_its_counters_alone(
    stack: Stack, tmp_path: Path
) -> None:
    async with world(stack, tmp_path, {"some": 5}) as made, made.serving() as (_, shop):
        assert (await shop.order("u1", "k1", {"some": 1})).status == 201
        (tmp_path / "world.json").write_text(
            json.dumps({"products": [{"sku": "new", "price_cents": 1, "stock": 4}]})
        )
        arguments = ("--settings", str(made.settings), "--world", str(tmp_path / "world.json"))
        done = await asyncio.to_thread(ended, "seed", *arguments)
        assert done.returncode == 0, done.stderr
        assert "the counters of shard0 are left to it" in done.stderr
        assert await shop.available("some") == 4
        rows = await query(made.dsns, "SELECT sku FROM stock WHERE sku = 'new'")
        assert len(rows) == len(made.dsns)
