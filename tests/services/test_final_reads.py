"""The final reads on a real PostgreSQL: ids, types, other people's sessions, and shards that are gone."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from flashdrill.audit.checkers import check_all
from flashdrill.audit.final_reads import read_shards
from flashdrill.model.op import Outcome
from flashdrill.model.reads import (
    LineRow,
    MoneyMovement,
    OrderRow,
    PaymentRow,
    StockMovement,
    StockRow,
)
from flashdrill.model.result import InvariantStatus
from flashdrill.stack import postgres
from flashdrill.stack.control import Command
from flashdrill.stack.identity import choose_identity, data_root, install_for
from flashdrill.stack.ports import choose_ports
from flashdrill.stack.template import Recipe, copy, template
from tests.unit.audit_world import op

pytestmark = pytest.mark.services

QUERIES = Path(__file__).parents[2] / "reports" / "queries" / "final_reads"
SCHEMA = """
CREATE TABLE orders (order_uid bytea PRIMARY KEY, bucket smallint NOT NULL, order_no text UNIQUE, channel text,
  user_id text, idempotency_key text, body_hash bytea, status smallint, state text, amount_cents bigint,
  queue_seq bigint, placed_seq bigserial, created_at timestamptz DEFAULT now(), paid_at timestamptz);
CREATE TABLE order_lines (order_uid bytea, line_no smallint, sku text, quantity int, unit_price_cents bigint);
CREATE TABLE stock (sku text PRIMARY KEY, initial int, available int);
CREATE TABLE stock_ledger (id bigserial, order_uid bytea, sku text, delta int);
CREATE TABLE money_ledger (id bigserial, order_uid bytea, kind text, amount_cents bigint);
CREATE TABLE payments (transaction_id text PRIMARY KEY, order_uid bytea UNIQUE, amount_cents bigint);
"""
UID = bytes(range(16))
ORDER = UID.hex() + "0a"
FILL = f"""
INSERT INTO orders (order_uid, bucket, order_no, user_id, idempotency_key, status, state, amount_cents)
  VALUES ('\\x{UID.hex()}', 10, 'DY20260127000001', 'u1', 'k1', 20, 'placed', 3998);
INSERT INTO order_lines VALUES ('\\x{UID.hex()}', 1, 'hot-1', 2, 1999), ('\\xff', 1, 'hot-1', 1, 1);
INSERT INTO stock VALUES ('hot-1', 5, 3);
INSERT INTO stock_ledger (order_uid, sku, delta) VALUES ('\\x{UID.hex()}', 'hot-1', -2), (NULL, 'hot-1', 0);
INSERT INTO money_ledger (order_uid, kind, amount_cents)
  VALUES ('\\x{UID.hex()}', 'order', 3998), ('\\x{UID.hex()}', 'payment', 3998);
INSERT INTO payments VALUES ('t1', '\\x{UID.hex()}', 3998);
"""


@asynccontextmanager
async def shard(folder: Path) -> AsyncIterator[str]:
    """The address of a server with one order in it; gone afterwards."""
    identity = choose_identity()
    root = data_root(folder, identity)
    install = postgres.find_installation()
    source = template(Recipe(install.folder, install.version, SCHEMA, identity), folder / "cache")
    programs = install_for(identity, install.folder, root)
    copy(source, root / "shard0")
    port = choose_ports(["shard0"])["shard0"]
    command = postgres.command(
        "shard0",
        port,
        data=root / "shard0",
        install=programs,
        identity=identity,
        log=folder / "log",
    )
    server = start(command)
    try:
        connection = await connected(postgres.dsn(port))
        await connection.execute(FILL)
        await connection.close()
        yield postgres.dsn(port)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)


def start(command: Command) -> subprocess.Popen[bytes]:
    """The server's process."""
    with command.log.open("w") as log:
        return subprocess.Popen(
            command.argv,
            env=dict(command.env),
            stdout=log,
            stderr=log,
            user=command.user and command.user[0],
        )


async def connected(dsn: str) -> asyncpg.Connection:
    """A connection, once the server takes one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while True:
        try:
            return await asyncpg.connect(dsn, timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)


async def test_reads_sessions_and_missing_shards(tmp_path: Path) -> None:
    nowhere = postgres.dsn(choose_ports(["shard1"])["shard1"])
    async with shard(tmp_path) as dsn:
        reads = await read_shards([dsn], QUERIES, 10.0, queue_depth=0)
        assert reads.orders == (
            OrderRow(0, ORDER, "DY20260127000001", "u1", "k1", 20, "placed", 3998, 1, None),
        )
        orphan = LineRow(0, "ff", "hot-1", 1, 1)
        assert set(reads.lines) == {LineRow(0, ORDER, "hot-1", 2, 1999), orphan}
        assert reads.stock == (StockRow(0, "hot-1", 5, 3),)
        assert reads.movements == (
            StockMovement(0, ORDER, "hot-1", -2),
            StockMovement(0, "", "hot-1", 0),
        )
        assert reads.money == (
            MoneyMovement(0, ORDER, "order", 3998),
            MoneyMovement(0, ORDER, "payment", 3998),
        )
        assert reads.payments == (PaymentRow(0, "t1", ORDER, 3998),)
        assert (reads.missing, reads.open_sessions, reads.queue_depth) == ((), 0, 0)

        assert (await read_shards([dsn, nowhere], QUERIES, 2.0)).missing == ("shard1",)
        assert (await read_shards([dsn, "nonsense"], QUERIES, 2.0)).missing == ("shard1",)
        assert (await read_shards([dsn], tmp_path / "no-such-folder", 2.0)).missing == ("shard0",)
        await _sees_other_sessions(dsn)
        await _refuses_other_columns(dsn, tmp_path / "queries")


async def _sees_other_sessions(dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    try:
        reads = await read_shards([dsn], QUERIES, 1.0, queue_depth=0)
    finally:
        await other.close()
    assert reads.open_sessions == 1
    place = op(1, Outcome.OK, "placed", user_id="u1", key="k1", order_id=ORDER)
    assert {i.status for i in check_all([place], reads)} <= {
        InvariantStatus.UNKNOWN,
        InvariantStatus.HOLDS,
    }
    assert (await read_shards([dsn], QUERIES, 10.0)).open_sessions == 0


async def _refuses_other_columns(dsn: str, folder: Path) -> None:
    shutil.copytree(QUERIES, folder)
    (folder / "stock.sql").write_text("SELECT sku FROM stock")
    assert (await read_shards([dsn], folder, 5.0)).missing == ("shard0",)
    (folder / "stock.sql").write_text("SELECT nonsense")
    assert (await read_shards([dsn], folder, 5.0)).missing == ("shard0",)
