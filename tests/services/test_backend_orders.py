"""The order path against real PostgreSQL and Valkey, the service as a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.services.backends import reach_level_1, servers_of_a_session, users_of, world
from tests.services.servers import Stack, eventually
from tests.services.shop import Answer, Shop, books_balance, order_rows, query, sold

pytestmark = pytest.mark.services
GUARD_RAILS = Path(__file__).parents[2] / "docs" / "guard-rails.md"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from servers_of_a_session()


async def test_an_order_is_placed_once_however_often_it_is_sent(
    stack: Stack, tmp_path: Path
) -> None:
    async with world(stack, tmp_path, {"a": 20, "b": 20}) as made, made.serving() as (_, shop):
        first = await shop.order("u1", "k1", {"a": 1, "b": 2})
        assert first.status == 201
        assert first.body["status"] == "placed"
        assert first.body["order_no"].startswith("DY20")
        again = await asyncio.gather(*(shop.order("u1", "k1", {"a": 1, "b": 2}) for _ in range(5)))
        assert [(a.status, a.body) for a in again] == [(201, first.body)] * 5
        other = await shop.order("u1", "k1", {"a": 1})
        assert (other.status, other.slug) == (422, "key-reuse")
        assert other.body["definite"] is True
        found = await shop.get(f"/orders/{first.body['order_id']}")
        assert (found.status, found.body["status"]) == (200, "pending_payment")
        assert [line["quantity"] for line in found.body["lines"]] == [1, 2]
        assert (await shop.available("a"), await shop.available("b")) == (19, 18)
        assert len(await order_rows(made.dsns)) == 1
        await books_balance(made.dsns)


async def test_double_clicks_make_one_order(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 200}) as made, made.serving() as (_, shop):
        users = users_of(0, 20)
        clicks = [shop.order(user, f"k-{user}", {"a": 1}) for user in users for _ in range(3)]
        answers = await asyncio.gather(*clicks)
        assert {a.status for a in answers} == {201}
        assert len({a.body["order_id"] for a in answers}) == len(users)
        assert len(await order_rows(made.dsns)) == len(users)
        assert await shop.available("a") == 200 - len(users)


async def test_a_hundred_customers_for_ten_units_get_exactly_ten(
    stack: Stack, tmp_path: Path
) -> None:
    async with world(stack, tmp_path, {"hot": 10}) as made, made.serving() as (_, shop):
        users = [*users_of(0, 50), *users_of(1, 50)]
        answers = await asyncio.gather(*(shop.order(u, f"k-{u}", {"hot": 1}) for u in users))
        assert Counter(a.status for a in answers) == {201: 10, 409: 90}
        assert {a.slug for a in answers if a.status == 409} == {"sold-out"}
        assert all(a.body["refusal"] and a.body["definite"] for a in answers if a.status == 409)
        assert await sold(made.dsns, "hot") == 10
        assert await shop.available("hot") == 0
        await books_balance(made.dsns)


async def test_a_split_order_takes_all_lines_or_none(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 400, "b": 6}) as made, made.serving() as (_, shop):
        users = [*users_of(0, 50), *users_of(1, 50)]
        answers = await asyncio.gather(*(shop.order(u, f"k-{u}", {"a": 1, "b": 1}) for u in users))
        assert Counter(a.status for a in answers) == {201: 6, 409: 94}
        assert (await sold(made.dsns, "a"), await sold(made.dsns, "b")) == (6, 6)
        assert (await shop.available("a"), await shop.available("b")) == (394, 0)
        await books_balance(made.dsns)


async def test_the_shard_has_the_last_word_and_the_gate_learns_it(
    stack: Stack, tmp_path: Path
) -> None:
    async with world(stack, tmp_path, {"a": 40, "b": 40}) as made, made.serving() as (_, shop):
        (user,) = users_of(0, 1)
        connection = await asyncpg.connect(made.dsns[0], ssl=False)
        await connection.execute("UPDATE stock SET initial = 0, available = 0 WHERE sku = 'b'")
        await connection.close()
        refused = await shop.order(user, "k1", {"a": 1, "b": 1})
        assert (refused.status, refused.slug) == (409, "sold-out")
        assert await sold(made.dsns, "a") == 0

        async def knows() -> bool:
            return await shop.available("b") == 20 and await shop.available("a") == 40

        await eventually("the gate has the shard's numbers", knows)
        assert (await shop.order(user, "k2", {"a": 1})).status == 201


async def test_nobody_buys_more_than_the_limit(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 100}) as made, made.serving() as (_, shop):
        answers = [await shop.order("u1", f"k{n}", {"a": 2}) for n in range(3)]
        assert [a.status for a in answers] == [201, 201, 409]
        assert answers[-1].slug == "purchase-limit"
        assert await sold(made.dsns, "a") == 4


async def test_concurrent_callbacks_pay_once(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 20}) as made, made.serving() as (_, shop):
        order = (await shop.order("u1", "k1", {"a": 1})).body["order_id"]
        answers = await asyncio.gather(*(shop.pay(order, "T1") for _ in range(3)))
        assert sorted(a.body["result"] for a in answers) == ["paid", "repeat", "repeat"]
        assert (await shop.pay(order, "T1")).body == {"result": "repeat"}
        for other, slug in (
            (await shop.pay(order, "T2"), "other-transaction"),
            (await shop.pay(order, "T1", 99), "amount-mismatch"),
        ):
            assert (other.status, other.slug) == (409, slug)
        found = await shop.get(f"/orders/{order}")
        assert found.body["status"] == "paid"
        payments = await query(made.dsns, "SELECT transaction_id, amount_cents FROM payments")
        assert [(p["transaction_id"], p["amount_cents"]) for p in payments] == [("T1", 100)]
        booked = await query(made.dsns, "SELECT 1 FROM money_ledger WHERE kind = 'payment'")
        assert len(booked) == 1


async def test_callbacks_are_signed_fresh_and_for_an_order(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 20}) as made, made.serving() as (_, shop):
        order = (await shop.order("u1", "k1", {"a": 1})).body["order_id"]
        now = int(time.time())
        refused = [
            await shop.pay(order, "T1", secret="another"),
            await shop.pay(order, "T1", at=now - 400),
            await shop.pay(order, "T1", at=now + 400),
            await shop.post("/payments/callback", b"{}", {}),
        ]
        assert {(a.status, a.slug) for a in refused} == {(401, "unauthorized")}
        for unknown in ("0" * 34, "nonsense", "é" * 10):
            assert (await shop.pay(unknown, "T1")).status == 404
        assert await query(made.dsns, "SELECT 1 FROM payments") == []


GOOD = {
    "channel": "DY",
    "user_id": "u1",
    "lines": [{"sku": "a", "quantity": 1}],
    "amount_cents": 100,
}
KEY = {"Idempotency-Key": "k"}


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


BAD = {
    "no key": (json.dumps(GOOD).encode(), {}, 400),
    "empty key": (json.dumps(GOOD).encode(), {"Idempotency-Key": ""}, 400),
    "long key": (json.dumps(GOOD).encode(), {"Idempotency-Key": "k" * 201}, 400),
    "key beyond ascii": (json.dumps(GOOD).encode(), {"Idempotency-Key": "schlüssel"}, 400),
    "no json": (b"{", KEY, 400),
    "empty": (b"", KEY, 400),
    "not utf-8": (b'{"channel": "\xff"}', KEY, 400),
    "deep": (changed(lines="X").replace(b'"X"', b"[" * 20_000), KEY, 422),
    "an array": (b"[]", KEY, 422),
    "a type": (json.dumps(GOOD).encode(), {**KEY, "Content-Type": "text/plain"}, 415),
    "compressed": (json.dumps(GOOD).encode(), {**KEY, "Content-Encoding": "gzip"}, 415),
    "unknown field": (changed(coupon="x"), KEY, 422),
    "unknown field in a line": (changed(lines=[{"sku": "a", "quantity": 1, "x": 1}]), KEY, 422),
    "channel": (changed(channel="dy"), KEY, 422),
    "channel with a line end": (changed(channel="DY\n"), KEY, 422),
    "nul in the user": (changed(user_id="u\u0000"), KEY, 422),
    "lone surrogate": (b'{"channel": "DY", "user_id": "\\ud800"}', KEY, 400),
    "no lines": (changed(lines=[]), KEY, 422),
    "too many lines": (
        changed(lines=[{"sku": f"s{n}", "quantity": 1} for n in range(51)]),
        KEY,
        422,
    ),
    "a product twice": (
        changed(lines=[{"sku": "a", "quantity": 1}] * 2, amount_cents=200),
        KEY,
        422,
    ),
    "quantity 0": (changed(lines=[{"sku": "a", "quantity": 0}]), KEY, 422),
    "quantity as text": (changed(lines=[{"sku": "a", "quantity": "1"}]), KEY, 422),
    "quantity as float": (changed(lines=[{"sku": "a", "quantity": 1.5}]), KEY, 422),
    "huge quantity": (changed(lines=[{"sku": "a", "quantity": 10**30}]), KEY, 422),
    "negative amount": (changed(amount_cents=-1), KEY, 422),
    "another amount": (changed(amount_cents=99), KEY, 422),
    "no such product": (changed(lines=[{"sku": "zzz", "quantity": 1}]), KEY, 422),
    "oversized": (changed(user_id="u" * 60_000), KEY, 413),
}


async def test_bad_input_is_refused_and_stores_nothing(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 20}) as made, made.serving() as (backend, shop):
        for name, (body, headers, status) in BAD.items():
            answer = await shop.post("/orders", body, headers)
            assert answer.status == status, (name, answer)
            assert answer.headers["Content-Type"].startswith("application/problem+json"), name
            assert answer.body["refusal"] is True and answer.body["definite"] is True, name
        for path in (
            "/orders/x",
            "/products/x",
            "/products/%00",
            "/nowhere",
            f"/orders/{'0' * 34}",
        ):
            assert (await shop.get(path)).status == 404, path
        assert (await shop.get("/orders")).status == 405
        assert await _oversized_stream(backend.port) == 413
        assert await order_rows(made.dsns) == []
        assert await shop.available("a") == 20
        assert "Traceback" not in backend.log.read_text()
        assert (await shop.order("u1", "k", {"a": 1})).status == 201


async def _oversized_stream(port: int) -> int:
    """A body that does not say how long it is: refused while it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    try:
        for _ in range(60):
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()
        line = await asyncio.wait_for(reader.readline(), 10)
    finally:
        writer.close()
    return int(line.split()[1])


async def test_server_timing_names_waits_and_holds(stack: Stack, tmp_path: Path) -> None:
    async with (
        world(stack, tmp_path, {"a": 20}, timing_sample=1) as made,
        made.serving() as (_, shop),
    ):
        (user,) = users_of(1, 1)
        answer = await shop.order(user, "k1", {"a": 1})
        timing = answer.headers["Server-Timing"]
        for part in (
            "q.pool.shard1;dur=",
            "h.pool.shard1;dur=",
            "h.postgres.shard1;dur=",
            "h.redis;dur=",
        ):
            assert part in timing


async def test_a_dead_shard_leads_to_the_queue_and_back(stack: Stack, tmp_path: Path) -> None:
    async with (
        world(stack, tmp_path, {"a": 4000}, purchase_limit=1000) as made,
        made.serving() as (
            backend,
            shop,
        ),
    ):
        users = users_of(0, 40)
        (neighbour,) = users_of(1, 1)
        made.lines["shard0"].is_black_hole = True
        sent = await reach_level_1(shop, users, "a")
        queued = await asyncio.gather(*(shop.order(u, f"q-{u}", {"a": 1}) for u in users[:20]))
        assert {a.status for a in queued} == {202}
        assert {a.body["status"] for a in queued} == {"queued"}
        repeat = await shop.order(users[0], f"q-{users[0]}", {"a": 1})
        assert (repeat.status, repeat.body) == (202, queued[0].body)
        conflict = await shop.order(users[0], f"q-{users[0]}", {"a": 2})
        assert (conflict.status, conflict.slug) == (422, "key-reuse")
        early = await shop.pay(queued[0].body["order_id"], "T0")
        assert (early.status, early.slug, early.body["definite"]) == (
            503,
            "order-still-queued",
            True,
        )
        assert "Retry-After" in early.headers
        page = await shop.get(f"/orders/{queued[0].body['order_id']}")
        assert (page.status, page.body["status"]) == (200, "queued")
        assert (await shop.order(neighbour, "n", {"a": 1})).status == 201, "the other shard is well"
        assert (await shop.get("/readyz")).status == 200

        made.lines["shard0"].heal()

        async def is_back() -> bool:
            shard = (await shop.get("/readyz")).body["shards"]["shard0"]
            return shard["queued"] == 0 and shard["level"] == 0 and shard["breaker"] == "closed"

        await eventually("the queue is drained and the level is left", is_back)
        assert (await shop.order(users[0], "direct", {"a": 1})).status == 201
        assert (await shop.pay(queued[0].body["order_id"], "T0")).body["result"] == "paid"
        repeat = await shop.order(users[0], f"q-{users[0]}", {"a": 1})
        assert (repeat.status, repeat.body["order_id"]) == (202, queued[0].body["order_id"])

        rows = {row["idempotency_key"]: row for row in await order_rows(made.dsns)}
        assert len(rows) == len(await order_rows(made.dsns)), "nothing twice"
        assert all(f"q-{u}" in rows for u in users[:20])
        assert all(key in rows for _, key, status in sent if status in (201, 202))
        assert not any(key in rows for _, key, status in sent if status == 503)
        ordered = [row for row in rows.values() if row["queue_seq"] is not None]
        assert [r["queue_seq"] for r in ordered] == sorted(r["queue_seq"] for r in ordered)
        assert {row["state"] for row in rows.values()} == {"placed"}
        await books_balance(made.dsns)
        assert backend.terminate() == 0
        assert backend.queue_state()["depth"] == 0


async def test_an_unknown_commit_is_resolved_by_the_same_key(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 40}) as made, made.serving() as (_, shop):
        (user,) = users_of(0, 1)
        assert (await shop.order(user, "warm", {"a": 1})).status == 201
        made.lines["shard0"].is_black_hole = True
        begun = time.monotonic()
        unknown = await shop.order(user, "k1", {"a": 1})
        assert time.monotonic() - begun < 5
        assert (unknown.status, unknown.slug, unknown.body["definite"]) == (
            504,
            "unknown-commit",
            False,
        )
        made.lines["shard0"].heal()
        again = await shop.order(user, "k1", {"a": 1})
        assert again.status == 201
        assert len(await order_rows(made.dsns)) == 2
        assert await sold(made.dsns, "a") == 2
        assert await shop.available("a") == 38, "its units were taken once"


async def test_an_exhausted_pool_ends_in_a_definite_504(stack: Stack, tmp_path: Path) -> None:
    settings = {"pool_size": 1, "level_window_s": 10_000, "breaker_window_s": 1000}
    async with world(stack, tmp_path, {"a": 400}, **settings) as made, made.serving() as (_, shop):
        users = users_of(0, 9)
        made.lines["shard0"].delay_s = 1.2
        answers = await asyncio.gather(*(shop.order(u, f"k-{u}", {"a": 1}) for u in users))
        slugs = Counter(a.slug for a in answers)
        assert slugs["deadline"] >= 1, slugs
        assert all(a.status == 504 and a.body["definite"] for a in answers if a.slug == "deadline")
        made.lines["shard0"].heal()
        assert await _keys(made.dsns) <= {
            f"k-{u}" for u, a in zip(users, answers, strict=True) if not a.body["definite"]
        }


async def _keys(dsns: tuple[str, ...]) -> set[str]:
    return {row["idempotency_key"] for row in await order_rows(dsns)}


async def acknowledged(shop: Shop, user: str, key: str) -> Answer:
    """An order that a customer sends again after a 503, as its Retry-After asks: the breaker tries the shard by one."""
    answer = await shop.order(user, key, {"a": 1})
    for _ in range(5):
        if answer.status != 503:
            break
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        answer = await shop.order(user, key, {"a": 1})
    return answer


async def test_a_killed_service_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 4000}, purchase_limit=1000) as made:
        users = users_of(0, 40)
        async with made.serving() as (backend, shop):
            made.lines["shard0"].is_black_hole = True
            sent = await reach_level_1(shop, users, "a")
            queued = await asyncio.gather(*(acknowledged(shop, u, f"q-{u}") for u in users))
            assert {a.status for a in queued} == {202}
            backend.kill()
            assert backend.queue_state()["depth"] >= len(users)
        async with made.serving() as (backend, shop):  # the shard is still gone
            assert (await shop.get("/readyz")).status == 200
            repeat = await shop.order(users[0], f"q-{users[0]}", {"a": 1})
            assert (repeat.status, repeat.body) == (202, queued[0].body)
            assert (await shop.order(users[1], "later", {"a": 1})).status == 202, (
                "behind the others"
            )
            made.lines["shard0"].heal()

            async def is_drained() -> bool:
                return (await shop.get("/readyz")).body["shards"]["shard0"]["queued"] == 0

            await eventually("the queue is drained", is_drained)
        rows = await order_rows(made.dsns)
        counts = Counter(row["idempotency_key"] for row in rows)
        taken = {key for _, key, status in sent if status in (201, 202)}
        assert all(counts[key] == 1 for key in taken | {f"q-{u}" for u in users})
        assert max(counts.values()) == 1
        ids = {row["order_id"] for row in rows}
        assert {a.body["order_id"] for a in queued} <= ids
        await books_balance(made.dsns)


async def test_stopping_finishes_and_drains(stack: Stack, tmp_path: Path) -> None:
    async with (
        world(stack, tmp_path, {"a": 4000}, purchase_limit=1000) as made,
        made.serving() as (
            backend,
            shop,
        ),
    ):
        users = users_of(0, 30)
        made.lines["shard0"].is_black_hole = True
        await reach_level_1(shop, users, "a")
        made.lines["shard0"].heal()
        assert await asyncio.to_thread(backend.terminate) == 0
        assert backend.queue_state()["depth"] == 0
        assert "Traceback" not in backend.log.read_text()


async def test_without_redis_nothing_is_sold_and_that_is_certain(
    stack: Stack, tmp_path: Path
) -> None:
    async with world(stack, tmp_path, {"a": 40}) as made, made.serving() as (_, shop):
        made.lines["redis"].is_black_hole = True
        answers = await asyncio.gather(*(shop.order(f"u{n}", f"k{n}", {"a": 1}) for n in range(20)))
        assert {(a.status, a.slug, a.body["definite"]) for a in answers} == {
            (503, "gate-unavailable", True)
        }
        assert await order_rows(made.dsns) == []
        made.lines["redis"].heal()

        async def sells() -> bool:
            return (await shop.order("u1", "again", {"a": 1})).status == 201

        await eventually("it sells again", sells)


async def test_an_emptied_redis_is_rebuilt_from_the_shards(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"hot": 20}) as made, made.serving() as (_, shop):
        users = [*users_of(0, 60), *users_of(1, 60)]
        before = await asyncio.gather(*(shop.order(u, f"k-{u}", {"hot": 1}) for u in users[:4]))
        assert {a.status for a in before} == {201}
        await made.flush_redis()

        async def sell_out() -> bool:
            answers = await asyncio.gather(*(shop.order(u, f"k-{u}", {"hot": 1}) for u in users))
            return Counter(a.slug for a in answers)["sold-out"] == len(users) - 20

        await eventually("it is sold out", sell_out)
        assert await sold(made.dsns, "hot") == 20
        assert await shop.available("hot") == 0
        again = await shop.order(users[0], f"k-{users[0]}", {"hot": 1})
        assert (again.status, again.body) == (201, before[0].body)
        await books_balance(made.dsns)


async def test_a_reservation_that_nothing_refers_to_is_swept(stack: Stack, tmp_path: Path) -> None:
    settings = {"hold_s": 5, "sweep_every_s": 2}
    async with world(stack, tmp_path, {"a": 40}, **settings) as made:
        (user,) = users_of(0, 1)
        async with made.serving() as (backend, shop):
            assert (await shop.order(user, "warm", {"a": 1})).status == 201
            made.lines["shard0"].is_black_hole = True
            call = asyncio.create_task(shop.order(user, "k1", {"a": 2}))

            async def is_reserved() -> bool:
                return await shop.available("a") == 37

            await eventually("it is reserved", is_reserved)
            backend.kill()
            with pytest.raises(Exception):  # noqa: B017 - however the client notices
                await call
        made.lines["shard0"].heal()
        committed = len(await order_rows(made.dsns)) - 1
        async with made.serving() as (_, shop):

            async def is_swept() -> bool:
                return await shop.available("a") == 39 - 2 * committed

            await eventually("the units are back, unless they were sold", is_swept)


async def test_customers_who_hang_up_do_not_break_connections(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 400}, pool_size=2) as made, made.serving() as (_, shop):
        users = users_of(0, 20)
        made.lines["shard0"].delay_s = 0.05
        calls = [asyncio.create_task(shop.order(u, f"k-{u}", {"a": 1})) for u in users]
        await eventually("some are under way", lambda: any(c.done() for c in calls))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        made.lines["shard0"].delay_s = 0.0
        again = await asyncio.gather(*(shop.order(u, f"k-{u}", {"a": 1}) for u in users))
        assert {a.status for a in again} == {201}
        rows = {row["idempotency_key"]: row["order_id"] for row in await order_rows(made.dsns)}
        assert {u: a.body["order_id"] for u, a in zip(users, again, strict=True)} == {
            u: rows[f"k-{u}"] for u in users
        }
        assert await shop.available("a") == 400 - len(users)


async def test_what_a_rehearsal_left_is_removed_as_the_documentation_says(
    stack: Stack, tmp_path: Path
) -> None:
    """Orders of marked users go, their units come back; everybody else's stay, and the books balance."""
    sql = GUARD_RAILS.read_text().split("```sql\n")[1].split("```")[0]
    users = [*(f"drill-{n}" for n in range(8)), *(f"u{n}" for n in range(8)), "drillx1"]
    async with world(stack, tmp_path, {"a": 200}) as made:
        async with made.serving() as (_, shop):
            for user in users:
                placed = await shop.order(user, f"k-{user}", {"a": 2})
                assert (await shop.pay(placed.body["order_id"], f"t-{user}", 200)).status == 200
        before = await query(made.dsns, "SELECT sum(available)::int AS units FROM stock")
        for dsn in made.dsns:
            connection = await asyncpg.connect(dsn, ssl=False)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()
        left = {row["user_id"] for row in await order_rows(made.dsns)}
        assert left == {user for user in users if not user.startswith("drill-")}
        paid = await query(made.dsns, "SELECT transaction_id FROM payments")
        assert {row["transaction_id"] for row in paid} == {f"t-{user}" for user in left}
        after = await query(made.dsns, "SELECT sum(available)::int AS units FROM stock")
        assert sum(r["units"] for r in after) - sum(r["units"] for r in before) == 8 * 2
        await books_balance(made.dsns)
