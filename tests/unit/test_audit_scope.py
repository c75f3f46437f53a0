"""What somebody's own service asks for: checked, unknown, or not checked; never holding without a look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flashdrill.audit.checkers import CHECKERS
from flashdrill.audit.contract import CONTRACT
from flashdrill.audit.scope import NEEDS, check_asked, name_of
from flashdrill.model.op import Op, Outcome
from flashdrill.model.reads import FinalReads, LineRow, OrderRow, StockRow
from flashdrill.model.result import Invariant, InvariantStatus
from tests.unit.audit_world import op

SHOP = {"orders.order_id", "lines.order_id", "lines.sku", "lines.quantity", "orders.sku"}
SHOP |= {"orders.quantity", "stock.sku", "stock.initial", "stock.sold"}
DECLARED = ("orders", "stock")


def bought(n: int, outcome: Outcome = Outcome.OK, order_id: str = "") -> Op:
    told = order_id or (f"o{n}" if outcome is Outcome.OK else "")
    return op(n, outcome, "placed", order_id=told, user_id=f"u{n}", sku="lamp", quantity=1)


def shop(orders: int, stock: int = 5, columns: set[str] = SHOP, **more: object) -> FinalReads:
    rows = tuple(
        OrderRow(0, f"o{n}", "", f"u{n}", f"k{n}", 0, "placed", 0, 0) for n in range(orders)
    )
    found = FinalReads(
        shards=1,
        orders=rows,
        lines=tuple(LineRow(0, row.order_id, "lamp", 1, 0) for row in rows),
        stock=(StockRow(0, "lamp", stock, None, orders),),
        columns=frozenset(columns),
    )
    return replace(found, **more)  # type: ignore[arg-type]


def answers(ops: list[Op], reads: FinalReads, *declared: str) -> dict[str, Invariant]:
    return {i.name: i for i in check_asked(ops, reads, declared or DECLARED)[0]}


def test_every_checker_says_what_it_needs_in_columns_of_the_contract() -> None:
    assert {name_of(checker) for checker in CHECKERS} == set(NEEDS)
    known = {f"{read}.{column}" for read, columns in CONTRACT.items() for column in columns}
    for needs in NEEDS.values():
        assert {*needs.all_of, *needs.any_of} <= {*known, "drained"}
        assert all(hasattr(bought(0), field) for field in needs.fields)


def test_what_was_not_declared_is_listed_apart() -> None:
    found, not_checked = check_asked([bought(n) for n in range(3)], shop(3), DECLARED)
    assert {i.status for i in found} == {InvariantStatus.HOLDS}
    assert {i.name for i in found} == {
        "no-acknowledged-order-lost",
        "ids-unique",
        "sold-within-stock",
        "confirmed-sold-info",
        "no-negative-counts",
    }
    reasons = {each.name: each.reason for each in not_checked}
    assert reasons["paid-once"] == "no read of payments is declared"
    assert reasons["one-order-per-key"] == "no read gives orders.key"
    assert len(found) + len(not_checked) == len(CHECKERS)


def test_an_oversell_is_seen_by_its_lines_or_by_the_stocks_own_count() -> None:
    ops = [bought(n) for n in range(7)]
    oversold = answers(ops, shop(7))["sold-within-stock"]
    assert (oversold.status, oversold.examples) == (InvariantStatus.VIOLATED, ("lamp",))
    columns = {"stock.sku", "stock.initial", "stock.sold"}
    counted = replace(shop(7, columns=columns), lines=(), orders=())
    assert answers(ops, counted, "stock")["sold-within-stock"].status is InvariantStatus.VIOLATED
    lost_update = replace(shop(7), stock=(StockRow(0, "lamp", 5, None, 4),))
    assert answers(ops, lost_update)["sold-within-stock"].status is InvariantStatus.VIOLATED


def test_an_order_that_was_told_and_is_not_there_is_lost() -> None:
    lost = answers([bought(9)], shop(3))["no-acknowledged-order-lost"]
    assert (lost.status, lost.examples) == (InvariantStatus.VIOLATED, ("o9",))


@pytest.mark.parametrize("missing", ["orders", "stock"])
def test_a_read_that_failed_makes_what_needs_it_unknown_and_nothing_else(missing: str) -> None:
    found = answers([bought(0)], shop(1, missing=(missing,)))
    assert found["sold-within-stock"].status is InvariantStatus.UNKNOWN
    is_orders = missing == "orders"
    expected = InvariantStatus.UNKNOWN if is_orders else InvariantStatus.HOLDS
    assert found["ids-unique"].status is expected


def test_a_failed_read_leaves_nothing_unasked_that_it_might_have_allowed() -> None:
    everything = shop(0, columns=set(), missing=("orders", "stock"))
    found, not_checked = check_asked([bought(0)], everything, DECLARED)
    assert {i.status for i in found} == {InvariantStatus.UNKNOWN}
    assert "one-order-per-key" in {i.name for i in found}
    assert "paid-once" in {each.name for each in not_checked}


def test_a_history_without_orders_cannot_be_compared() -> None:
    looked = [op(0, Outcome.OK, "found", kind="look")]
    found = answers(looked, shop(3))
    assert found["no-acknowledged-order-lost"].status is InvariantStatus.UNKNOWN
    assert "place_order" in found["no-acknowledged-order-lost"].found
    assert found["sold-within-stock"].status is InvariantStatus.HOLDS


def test_an_acknowledged_order_without_id_and_key_cannot_be_looked_for() -> None:
    nameless = op(0, Outcome.OK, "placed", user_id="u0", sku="lamp", quantity=1)
    found = answers([nameless], shop(1))["no-acknowledged-order-lost"]
    assert found.status is InvariantStatus.UNKNOWN
    keyed = shop(1, columns={*SHOP, "orders.key", "orders.user_id"})
    by_key = op(0, Outcome.OK, "placed", user_id="u0", key="k0", sku="lamp", quantity=1)
    found = answers([by_key], keyed)["no-acknowledged-order-lost"]
    assert found.status is InvariantStatus.HOLDS


def test_orders_of_an_earlier_day_are_not_held_against_this_run() -> None:
    ops = [bought(3, order_id="o3"), bought(4, order_id="o4")]
    found = answers(ops, shop(5))["confirmed-sold-info"]
    assert found.status is InvariantStatus.VIOLATED
    earlier = shop(5, earlier_orders=frozenset({"o0", "o1", "o2"}))
    assert answers(ops, earlier)["confirmed-sold-info"].status is InvariantStatus.HOLDS


def test_keys_are_compared_without_users_when_the_reads_have_none() -> None:
    ops = [op(0, Outcome.FAIL, "sold_out", user_id="u0", key="k0", sku="lamp", quantity=1)]
    found = answers(ops, shop(1, columns={*SHOP, "orders.key"}))
    assert found["no-failed-operation-has-an-order"].status is InvariantStatus.VIOLATED
    found = answers(ops, shop(0, columns={*SHOP, "orders.key"}))
    assert found["no-failed-operation-has-an-order"].status is InvariantStatus.HOLDS


def test_a_queue_that_was_declared_must_be_empty() -> None:
    ops = [bought(0)]
    for left, status in ((0, InvariantStatus.HOLDS), (2, InvariantStatus.VIOLATED)):
        found = answers(ops, shop(1, queue_depth=left), *DECLARED, "drained")
        assert found["queue-drained"].status is status
    found = answers(ops, shop(1), *DECLARED, "drained")
    assert found["queue-drained"].status is InvariantStatus.UNKNOWN
