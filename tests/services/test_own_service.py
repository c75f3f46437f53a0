"""What a run needs of somebody's own service: that it answers, and that its reads can be read."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from flashdrill.audit.declared import read_declared, read_number
from flashdrill.audit.fetching import UnreadableError
from flashdrill.audit.scope import check_asked
from flashdrill.errors import StackError
from flashdrill.model.op import Outcome
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import InvariantStatus
from flashdrill.model.service import HttpRead, Read, Secret, Service, SqlRead
from flashdrill.observe import presence
from flashdrill.rehearsal.own_settle import settle
from flashdrill.rehearsal.own_system import first_reads
from flashdrill.rehearsal.trace import Trace
from tests.unit.audit_world import op

STOCK = [{"sku": "lamp", "initial": 5, "sold": 2}, {"sku": "mug", "initial": 3, "sold": 0}]


@asynccontextmanager
async def serving(
    answers: dict[str, Any], token: str = "", asked: list[str] | None = None
) -> AsyncIterator[str]:
    """A server that gives these documents by path (a number is a status), and its address."""

    async def answer(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append(request.path)
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            return web.Response(status=401)
        found = answers.get(request.path_qs, 404)
        if isinstance(found, str):
            return web.Response(text=found)
        return web.Response(status=found) if isinstance(found, int) else web.json_response(found)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def shop(**reads: Read) -> Service:
    return Service("http://127.0.0.1:1", reads=reads)


async def test_pages_of_json_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "sesame")
    pages = {
        "/stock": {"rows": STOCK[:1], "next": "/stock?page=2"},
        "/stock?page=2": {"rows": STOCK[1:]},
        "/orders": [],
    }
    async with serving(pages, token="sesame") as url:
        token = Secret("SHOP_TOKEN")
        found = await read_declared(
            shop(
                stock=HttpRead(f"{url}/stock", token=token),
                orders=HttpRead(f"{url}/orders", token=token),
            ),
            5,
        )
    assert not found.failures
    assert [(row.sku, row.initial, row.sold) for row in found.reads.stock] == [
        ("lamp", 5, 2),
        ("mug", 3, 0),
    ]
    assert found.reads.orders == ()
    assert found.reads.gives("orders.order_id")
    assert not found.reads.gives("orders.key")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (500, "status 500"),
        ("soon", "no JSON"),
        ({"stock": []}, "neither a list of objects"),
        ([1], "neither a list of objects"),
        ([{"sku": "a"}], "no column `initial`"),
        ({"rows": [], "next": "http://127.0.0.2:9/x"}, "another host"),
    ],
)
async def test_what_cannot_be_read_is_missing_and_said(document: Any, words: str) -> None:
    async with serving({"/stock": document, "/orders": []}) as url:
        found = await read_declared(
            shop(stock=HttpRead(f"{url}/stock"), orders=HttpRead(f"{url}/orders")), 5
        )
    assert found.reads.missing == ("stock",)
    assert words in found.failures["stock"]


async def test_a_file_of_sqlite_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table orders (id integer primary key, what text, n int)")
        database.execute("insert into orders (what, n) values ('lamp', 2)")
        database.commit()
    sql = "select id as order_id, what as sku, n as quantity from orders"
    found = await read_declared(
        shop(
            orders=SqlRead(sql, sqlite=path),
            stock=SqlRead("delete from orders returning what as sku, n as initial", sqlite=path),
            payments=SqlRead(sql, sqlite=tmp_path / "other.db"),
        ),
        5,
    )
    assert [(line.order_id, line.sku, line.quantity) for line in found.reads.lines] == [
        ("1", "lamp", 2)
    ]
    assert "readonly" in found.failures["stock"]
    assert "unable to open" in found.failures["payments"]
    assert not (tmp_path / "other.db").exists()


async def test_reads_of_one_sqlite_file_see_one_snapshot(tmp_path: Path) -> None:
    """While the first is read somebody sells the lamp: stock and orders still agree."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table sold (n int)")
        database.execute("insert into sold values (0)")
        database.commit()
        counting = (
            "with recursive c(x) as (select 1 union all select x + 1 from c where x < 400000) "
            "select 'lamp' as sku, max(x) as initial, (select n from sold) as sold from c"
        )
        reads = {
            "stock": SqlRead(counting, sqlite=path),
            "orders": SqlRead("select n as order_id from sold", sqlite=path),
        }
        reading = asyncio.create_task(read_declared(shop(**reads), 20))
        for number in range(1, 200):
            database.execute("update sold set n = ?", (number,))
            database.commit()
            await asyncio.sleep(0.002)
        found = await reading
    assert not found.failures
    (stock,), (order,) = found.reads.stock, found.reads.orders
    assert str(stock.sold) == order.order_id


ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"


async def test_a_query_without_an_end_is_ended_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    reads = {
        "orders": SqlRead("select 'a' as order_id", sqlite=path),
        "stock": SqlRead(ENDLESS, sqlite=path),
    }
    began_s = time.monotonic()
    found = await read_declared(shop(**reads), 0.3)
    assert time.monotonic() - began_s < 5
    assert "it took longer than 0.3 s" in found.failures["stock"]
    assert [order.order_id for order in found.reads.orders] == ["a"]


async def test_a_read_that_is_given_up_ends_its_thread(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    reading = asyncio.create_task(read_number(SqlRead(ENDLESS, sqlite=path), 60))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(10):
        await asyncio.get_running_loop().shutdown_default_executor()  # waits for every thread


@pytest.mark.parametrize(
    ("reads", "drained", "words"),
    [
        (
            {"orders": "select 1 as order_id from purchaes"},
            "select 0",
            "yaml:7: .* of orders .*no such table",
        ),
        ({"stock": "select 1 as sku, 2 as initail"}, "select 0", "yaml:7: .* of stock .*initail"),
        ({}, "select n from jobs", "yaml:9: `drained` does not work.*no such table"),
        ({}, "select 1, 2", "yaml:9: `drained` does not work.*one number"),
    ],
)
async def test_a_read_that_does_not_work_is_told_before_the_load_with_its_line(
    tmp_path: Path, reads: dict[str, str], drained: str, words: str
) -> None:
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    declared = {name: SqlRead(sql, sqlite=path, line=7) for name, sql in reads.items()}
    service = Service(
        "http://127.0.0.1:1", reads=declared, drained=SqlRead(drained, sqlite=path, line=9)
    )
    with pytest.raises(StackError, match=words):
        await first_reads(service, tmp_path / "shop.yaml")


async def test_a_queue_that_is_not_empty_yet_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    service = Service("http://127.0.0.1:1", drained=SqlRead("select 5", sqlite=path))
    assert not (await first_reads(service, tmp_path)).orders


async def test_one_number_says_whether_it_has_drained(tmp_path: Path) -> None:
    async with serving({"/bare": 7, "/row": [{"n": 3}], "/rows": STOCK}) as url:
        assert await read_number(HttpRead(f"{url}/row"), 5) == 3
        with pytest.raises(UnreadableError, match="should give one number"):
            await read_number(HttpRead(f"{url}/rows"), 5)
    one = SqlRead("select 4", sqlite=tmp_path / "a.db")
    sqlite3.connect(tmp_path / "a.db").close()
    with pytest.raises(UnreadableError):
        await read_number(SqlRead("select x", sqlite=tmp_path / "a.db"), 5)
    assert await read_number(one, 5) == 4


async def test_a_service_is_absent_when_nobody_listens_whatever_it_answers() -> None:
    absences: list[tuple[int, int]] = []
    asked: list[str] = []
    async with serving({}, asked=asked) as url:
        await presence.ask(url, wants_2xx=False, timeout_s=5)
        with pytest.raises(presence.AbsentError, match="status 404"):
            await presence.ask(url, wants_2xx=True, timeout_s=5)
        watching = asyncio.create_task(presence.watch(url, absences, timeout_s=5, period_s=0.02))
        async with asyncio.timeout(10):
            while len(asked) < 6:
                await asyncio.sleep(0.01)
        assert absences == []
    async with asyncio.timeout(10):
        while not absences or absences[0][1] == absences[0][0]:
            await asyncio.sleep(0.02)
    watching.cancel()
    assert len(absences) == 1
    with pytest.raises(presence.AbsentError, match="Connection refused"):
        await presence.ask(url, wants_2xx=False, timeout_s=5)


class Ears(SimpleNamespace):
    """A watcher that notes what waits."""

    def phase(self, _text: str) -> None:
        return None

    def waiting(self, records: int | None) -> None:
        self.heard.append(records)


async def settled(service: Service, timeout_s: float = 0.5) -> tuple[Trace, list[int | None]]:
    """A run after its load, with that much patience."""
    limits = SimpleNamespace(drain_timeout_s=timeout_s)
    prepared: Any = SimpleNamespace(scenario=SimpleNamespace(limits=limits))
    watcher: Any = Ears(heard=[])
    trace = Trace(load_ended_ns=time.monotonic_ns())
    await settle(prepared, service, FinalReads(shards=1), trace, watcher)
    return trace, watcher.heard


async def test_a_read_that_fails_in_the_end_makes_its_invariants_unknown() -> None:
    async with serving({"/stock": 500, "/orders": []}) as url:
        reads = {"stock": HttpRead(f"{url}/stock"), "orders": HttpRead(f"{url}/orders")}
        trace, _ = await settled(Service(url, reads=reads, settle_s=0.0))
    assert trace.reads is not None
    assert any("the final read of stock failed" in problem for problem in trace.problems)
    bought = op(0, Outcome.INFO, "timeout", sku="lamp", quantity=1)
    found, _ = check_asked([bought], trace.reads, tuple(reads))
    answers = {invariant.name: invariant.status for invariant in found}
    assert answers["sold-within-stock"] is InvariantStatus.UNKNOWN
    assert answers["no-acknowledged-order-lost"] is InvariantStatus.HOLDS


async def test_it_is_read_when_it_has_drained() -> None:
    answers: dict[str, Any] = {"/stock": STOCK}
    async with serving(answers) as url:
        stock, left = HttpRead(f"{url}/stock"), HttpRead(f"{url}/left")
        service = Service(url, reads={"stock": stock}, drained=left)
        answers["/left"] = [{"left": 2}]
        trace, heard = await settled(service)
        assert trace.reads is not None
        assert (trace.drain_s, trace.reads.queue_depth, set(heard)) == (None, 2, {2})
        assert "2 were left" in trace.problems[0]
        answers["/left"] = [{"left": 0}]
        trace, heard = await settled(service)
        assert trace.reads is not None
        assert trace.drain_s is not None
        assert (trace.reads.queue_depth, heard, trace.problems) == (0, [0], [])
