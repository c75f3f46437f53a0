"""Each checker holds on a right world, fires on a wrong one, and says so when it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from flashdrill.audit.checkers import CHECKERS, check_all
from flashdrill.audit.finding import MAX_EXAMPLES
from flashdrill.model.op import Op, Outcome
from flashdrill.model.reads import (
    FinalReads,
    MoneyMovement,
    OrderRow,
    PaymentRow,
    StockMovement,
    StockRow,
)
from flashdrill.model.result import Invariant, InvariantStatus
from tests.unit.audit_world import PRICES, correct_world, op

HOLDS, VIOLATED, UNKNOWN = (
    InvariantStatus.HOLDS,
    InvariantStatus.VIOLATED,
    InvariantStatus.UNKNOWN,
)
NAMES = {
    "no-acknowledged-order-lost",
    "no-failed-operation-has-an-order",
    "one-order-per-key",
    "ids-unique",
    "sold-within-stock",
    "confirmed-sold-info",
    "queued-orders-terminal",
    "no-negative-counts",
    "stock-ledger-balances",
    "money-ledger-balances",
    "paid-once",
    "queue-drained",
    "queue-in-order",
}
World = tuple[list[Op], FinalReads]
worlds = st.integers(0, 10**6)
few = settings(max_examples=25, deadline=None, derandomize=True)


def answers(ops: Sequence[Op], reads: FinalReads) -> dict[str, Invariant]:
    return {invariant.name: invariant for invariant in check_all(ops, reads)}


def statuses(ops: Sequence[Op], reads: FinalReads) -> dict[str, InvariantStatus]:
    return {name: invariant.status for name, invariant in answers(ops, reads).items()}


def violated(ops: Sequence[Op], reads: FinalReads) -> set[str]:
    return {name for name, status in statuses(ops, reads).items() if status is VIOLATED}


def without(reads: FinalReads, *order_ids: str) -> FinalReads:
    """The reads as if these orders had never been written."""
    return replace(
        reads,
        **{
            name: tuple(row for row in getattr(reads, name) if row.order_id not in order_ids)
            for name in ("orders", "lines", "movements", "money", "payments")
        },
    )


def first(rows: Sequence[OrderRow], condition: Callable[[OrderRow], bool]) -> OrderRow:
    return next(row for row in rows if condition(row))


def acknowledged(ops: Sequence[Op], reason: str) -> Op:
    return next(o for o in ops if o.reason == reason and o.outcome is Outcome.OK)


def with_order(reads: FinalReads, old: OrderRow, **changes: object) -> FinalReads:
    """The reads with one order row changed."""
    new = replace(old, **changes)  # type: ignore[arg-type]
    return replace(reads, orders=tuple(new if row == old else row for row in reads.orders))


# One way to break each invariant; more ways follow below.


def lose(ops: list[Op], reads: FinalReads) -> World:
    return ops, without(reads, acknowledged(ops, "placed").order_id)


def fail_what_was_placed(ops: list[Op], reads: FinalReads) -> World:
    done = acknowledged(ops, "placed")
    failed = [
        changed(o, outcome=Outcome.FAIL, reason="overloaded", order_id="")
        if o.key == done.key and o.kind == "place_order"
        else o
        for o in ops
    ]
    return failed, reads


def order_twice(ops: list[Op], reads: FinalReads) -> World:
    row = reads.orders[0]
    again = replace(row, order_id="f" * 34, order_no="DY-again", placed_seq=10_000, queue_seq=None)
    return ops, replace(reads, orders=(*reads.orders, again))


def same_number(ops: list[Op], reads: FinalReads) -> World:
    return ops, with_order(reads, reads.orders[1], order_no=reads.orders[0].order_no)


def shrink_stock(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, stock=tuple(replace(s, initial=0) for s in reads.stock))


def phantom(ops: list[Op], reads: FinalReads) -> World:
    placed = {row.order_id for row in reads.orders if row.state == "placed"}
    line = next(line for line in reads.lines if line.order_id in placed)
    more = replace(line, quantity=line.quantity + 50)
    return ops, replace(reads, lines=tuple(more if it == line else it for it in reads.lines))


def forget_queued(ops: list[Op], reads: FinalReads) -> World:
    return ops, without(reads, acknowledged(ops, "queued").order_id)


def below_zero(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, stock=(replace(reads.stock[0], available=-1), *reads.stock[1:]))


def forget_movement(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, movements=reads.movements[1:])


def book_twice(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, money=(*reads.money, reads.money[0]))


def lose_payment(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, payments=reads.payments[1:])


def leave_in_queue(ops: list[Op], reads: FinalReads) -> World:
    return ops, replace(reads, queue_depth=3)


def drain_out_of_order(ops: list[Op], reads: FinalReads) -> World:
    lanes = [r for r in reads.orders if r.queue_seq is not None]
    shard = next(r.shard for r in lanes if sum(o.shard == r.shard for o in lanes) > 1)
    late, early = sorted((r for r in lanes if r.shard == shard), key=lambda r: r.placed_seq)[:2]
    swapped = with_order(reads, late, placed_seq=early.placed_seq)
    return ops, with_order(swapped, early, placed_seq=late.placed_seq)


BREAKS = {
    "no-acknowledged-order-lost": lose,
    "no-failed-operation-has-an-order": fail_what_was_placed,
    "one-order-per-key": order_twice,
    "ids-unique": same_number,
    "sold-within-stock": shrink_stock,
    "confirmed-sold-info": phantom,
    "queued-orders-terminal": forget_queued,
    "no-negative-counts": below_zero,
    "stock-ledger-balances": forget_movement,
    "money-ledger-balances": book_twice,
    "paid-once": lose_payment,
    "queue-drained": leave_in_queue,
    "queue-in-order": drain_out_of_order,
}


def test_every_checker_is_on_the_list_and_has_a_way_to_break() -> None:
    assert set(answers(*correct_world(1))) == NAMES == set(BREAKS)
    assert len(CHECKERS) == len(NAMES)


@few
@given(worlds, st.integers(0, 60))
def test_all_hold_on_a_right_world(seed: int, extra: int) -> None:
    found = answers(*correct_world(seed, extra))
    assert {i.status for i in found.values()} == {HOLDS}, [
        i for i in found.values() if i.status is not HOLDS
    ]
    assert all(i.expected and i.found and not i.examples for i in found.values())


@pytest.mark.parametrize("name", sorted(BREAKS))
@few
@given(seed=worlds)
def test_each_fires_with_examples(name: str, seed: int) -> None:
    found = answers(*BREAKS[name](*correct_world(seed)))[name]
    assert found.status is VIOLATED, found
    assert 1 <= len(found.examples) <= MAX_EXAMPLES
    assert all(found.examples)


@pytest.mark.parametrize("name", sorted(NAMES - {"queue-drained"}))
@pytest.mark.parametrize("gap", [{"missing": ("shard2",)}, {"open_sessions": 1}])
def test_each_is_unknown_without_its_reads(name: str, gap: dict[str, object]) -> None:
    ops, reads = correct_world(3)
    found = answers(ops, replace(reads, **gap))[name]  # type: ignore[arg-type]
    assert found.status is UNKNOWN
    assert "shard2" in found.found or "session" in found.found


def test_the_queue_is_unknown_when_nobody_could_read_it() -> None:
    ops, reads = correct_world(3)
    assert statuses(ops, replace(reads, queue_depth=None))["queue-drained"] is UNKNOWN


@given(worlds, st.sampled_from(sorted(BREAKS)))
@few
def test_nothing_is_claimed_without_operations(seed: int, name: str) -> None:
    _, reads = BREAKS[name](*correct_world(seed))
    assert set(statuses([], reads).values()) == {UNKNOWN}


@given(worlds, st.sampled_from(sorted(BREAKS)))
@few
def test_with_reads_missing_nothing_holds(seed: int, name: str) -> None:
    ops, reads = BREAKS[name](*correct_world(seed))
    found = statuses(ops, replace(reads, missing=("shard0",), queue_depth=None))
    assert HOLDS not in found.values()


@pytest.mark.parametrize("name", ["one-order-per-key", "ids-unique", "sold-within-stock"])
def test_a_breach_that_no_further_row_can_heal_is_one_with_reads_missing(name: str) -> None:
    ops, reads = BREAKS[name](*correct_world(4))
    assert statuses(ops, replace(reads, missing=("shard3",)))[name] is VIOLATED


@pytest.mark.parametrize(
    "name", ["no-failed-operation-has-an-order", "confirmed-sold-info", "paid-once"]
)
def test_an_incomplete_history_accuses_nobody(name: str) -> None:
    ops, reads = BREAKS[name](*correct_world(4))
    found = {i.name: i.status for i in check_all(ops, reads, is_history_complete=False)}
    assert found[name] is UNKNOWN
    assert found["no-negative-counts"] is HOLDS


def test_an_order_told_to_a_customer_but_recorded_for_another_is_lost() -> None:
    ops, reads = correct_world(5)
    row = first(reads.orders, lambda r: r.order_id == acknowledged(ops, "placed").order_id)
    assert "no-acknowledged-order-lost" in violated(ops, with_order(reads, row, user_id="u999"))


def test_a_201_that_ended_compensated_is_lost() -> None:
    ops, reads = correct_world(5)
    row = first(reads.orders, lambda r: r.order_id == acknowledged(ops, "placed").order_id)
    assert "no-acknowledged-order-lost" in violated(
        ops, with_order(reads, row, state="compensated")
    )


def test_an_unknown_order_may_be_there_or_not() -> None:
    ops, reads = correct_world(6)
    there = next(o for o in ops if o.outcome is Outcome.INFO and o.kind == "place_order")
    row = next((r for r in reads.orders if r.key == there.key), None)
    if row is None:
        there = next(
            o
            for o in ops
            if o.outcome is Outcome.INFO and any(r.key == o.key for r in reads.orders)
        )
        row = first(reads.orders, lambda r: r.key == there.key)
    units = next(line for line in reads.lines if line.order_id == row.order_id)
    stock = tuple(
        replace(s, available=s.available + units.quantity)
        if (s.shard, s.sku) == (units.shard, units.sku)
        else s
        for s in reads.stock
    )
    gone = replace(without(reads, row.order_id), stock=stock)
    assert not violated(ops, gone) - {"paid-once"}


def test_a_failure_beside_an_acknowledgement_of_the_same_key_accuses_nobody() -> None:
    ops, reads = correct_world(7)
    done = acknowledged(ops, "placed")
    beside = changed(done, op_id=10**6, process=10**6, outcome=Outcome.FAIL, order_id="")
    assert not violated([*ops, beside], reads)
    assert not violated([beside, *ops], reads)


def test_the_same_key_of_another_user_is_another_order() -> None:
    ops, reads = correct_world(7)
    done = acknowledged(ops, "placed")
    other = changed(done, op_id=10**6, user_id="u999", outcome=Outcome.FAIL, order_id="")
    assert not violated([*ops, other], reads)


def test_two_ids_told_for_one_key_are_two_orders() -> None:
    ops, reads = correct_world(8)
    done = acknowledged(ops, "placed")
    other = changed(done, op_id=10**6, order_id="e" * 34)
    assert "one-order-per-key" in violated([*ops, other], reads)


def test_an_order_on_two_shards_is_a_double_id() -> None:
    ops, reads = correct_world(8)
    row = reads.orders[0]
    moved = replace(row, shard=(row.shard + 1) % 4, placed_seq=9_999, queue_seq=None)
    assert "ids-unique" in violated(ops, replace(reads, orders=(*reads.orders, moved)))


def test_one_slice_can_be_oversold_while_the_product_is_not() -> None:
    ops, reads = correct_world(9)
    movement = reads.movements[0]
    stock = tuple(
        replace(s, initial=0) if (s.shard, s.sku) == (movement.shard, movement.sku) else s
        for s in reads.stock
    )
    found = answers(ops, replace(reads, stock=stock))["sold-within-stock"]
    assert found.status is VIOLATED
    assert found.examples == (f"{movement.sku}@shard{movement.shard}",)


def test_compensated_orders_sell_nothing() -> None:
    ops, reads = correct_world(9)
    units = {r.order_id for r in reads.orders if r.state == "compensated"}
    assert units, "the world has compensated orders"
    moved = next(line for line in reads.lines if line.order_id in units)
    wrong = StockMovement(moved.shard, moved.order_id, moved.sku, -moved.quantity)
    booked = MoneyMovement(moved.shard, moved.order_id, "order", 1)
    found = violated(
        ops, replace(reads, movements=(*reads.movements, wrong), money=(*reads.money, booked))
    )
    assert {"stock-ledger-balances", "money-ledger-balances"} <= found


def test_a_double_click_counts_its_units_once() -> None:
    ops, reads = correct_world(10)
    done = acknowledged(ops, "placed")
    twins = [changed(done, op_id=10**6 + n, process=10**6 + n) for n in range(20)]
    assert not violated([*ops, *twins], reads)


def test_sold_beyond_confirmed_and_unknown_is_found_per_product() -> None:
    ops = [
        op(1, Outcome.OK, "placed", user_id="u1", key="k", order_id="a", sku="hot-1", quantity=1)
    ]
    _, reads = correct_world(10)
    assert "confirmed-sold-info" in violated(ops, reads)


def test_a_restock_without_an_order_is_fine_when_it_adds_up() -> None:
    ops, reads = correct_world(11)
    restock = StockMovement(0, "", "hot-1", 5)
    stock = tuple(
        replace(s, available=s.available + 5) if (s.shard, s.sku) == (0, "hot-1") else s
        for s in reads.stock
    )
    more = replace(reads, movements=(*reads.movements, restock), stock=stock)
    assert not violated(ops, more)
    assert "stock-ledger-balances" in violated(ops, replace(more, stock=reads.stock))


def test_a_movement_in_a_slice_that_does_not_exist_is_found() -> None:
    ops, reads = correct_world(11)
    stray = StockMovement(1, "", "no-such-product", 0)
    assert "stock-ledger-balances" in violated(
        ops, replace(reads, movements=(*reads.movements, stray))
    )


def test_amount_lines_and_ledger_must_agree() -> None:
    ops, reads = correct_world(12)
    row = first(reads.orders, lambda r: r.state == "placed" and r.status == 10)
    assert violated(ops, with_order(reads, row, amount_cents=row.amount_cents + 1)) == {
        "money-ledger-balances"
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"amount_cents": p.amount_cents + 1},
        lambda p: {"order_id": "d" * 34},
        lambda p: {"transaction_id": "nobody-sent-this"},
    ],
    ids=["amount", "order", "transaction"],
)
def test_a_payment_must_be_the_one_that_was_sent(
    change: Callable[[PaymentRow], dict[str, object]],
) -> None:
    ops, reads = correct_world(13)
    payment = reads.payments[0]
    wrong = replace(payment, **change(payment))  # type: ignore[arg-type]
    assert "paid-once" in violated(ops, replace(reads, payments=(wrong, *reads.payments[1:])))


def test_a_payment_recorded_twice_is_found() -> None:
    ops, reads = correct_world(13)
    assert "paid-once" in violated(
        ops, replace(reads, payments=(*reads.payments, reads.payments[0]))
    )


def test_a_payment_whose_every_delivery_definitely_failed_is_found() -> None:
    ops, reads = correct_world(13)
    transaction = reads.payments[0].transaction_id
    failed = [
        changed(o, outcome=Outcome.FAIL, reason="overloaded")
        if o.transaction_id == transaction
        else o
        for o in ops
    ]
    assert "paid-once" in violated(failed, reads)


@pytest.mark.parametrize(("has_payment", "status"), [(True, 10), (False, 20)])
def test_status_and_payment_must_agree(has_payment: bool, status: int) -> None:
    ops, reads = correct_world(14)
    paid = {payment.order_id for payment in reads.payments}
    row = first(reads.orders, lambda r: r.state == "placed" and (r.order_id in paid) is has_payment)
    assert "paid-once" in violated(ops, with_order(reads, row, status=status))


def test_an_order_in_between_is_not_at_its_end() -> None:
    ops, reads = correct_world(15)
    row = first(reads.orders, lambda r: r.queue_seq is not None)
    assert "queued-orders-terminal" in violated(ops, with_order(reads, row, state="simple"))


def test_a_queue_record_written_twice_is_found() -> None:
    ops, reads = correct_world(16)
    row = first(reads.orders, lambda r: r.queue_seq is not None)
    again = replace(
        row, order_id="c" * 34, order_no="DY-2", key="k2", placed_seq=row.placed_seq + 1
    )
    assert "queue-in-order" in violated(ops, replace(reads, orders=(*reads.orders, again)))


def test_the_queues_of_two_shards_have_no_common_order() -> None:
    ops, reads = correct_world(17)
    shards = {r.shard for r in reads.orders if r.queue_seq is not None}
    assert len(shards) > 1
    assert statuses(ops, reads)["queue-in-order"] is HOLDS


def test_an_empty_shop_holds_when_it_was_asked() -> None:
    ops = [op(1, Outcome.FAIL, "sold_out", is_refusal=True, user_id="u1", key="k", sku="hot-1")]
    stock = tuple(StockRow(0, sku, 0, 0) for sku in PRICES)
    assert set(statuses(ops, FinalReads(1, stock=stock, queue_depth=0)).values()) == {HOLDS}


def test_an_order_that_may_still_wait_in_the_queue_is_not_called_lost() -> None:
    ops, reads = correct_world(5)
    queued = without(reads, acknowledged(ops, "queued").order_id)
    name = "no-acknowledged-order-lost"
    assert statuses(ops, queued)[name] is VIOLATED
    waiting = replace(queued, queue_depth=1)
    assert statuses(ops, waiting)[name] is UNKNOWN
    assert {"queue-drained", "queued-orders-terminal"} <= violated(ops, waiting)
    placed = without(waiting, acknowledged(ops, "placed").order_id)
    assert statuses(ops, placed)[name] is VIOLATED, (
        "a 201 never waits, and one record is not two orders"
    )
