"""A little world in which everything is right: operations, and the final reads that fit them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random

from flashdrill.model.op import NOT_SENT, Op, Outcome
from flashdrill.model.reads import (
    FinalReads,
    LineRow,
    MoneyMovement,
    OrderRow,
    PaymentRow,
    StockMovement,
    StockRow,
)

SHARDS = 4
PRICES = {"hot-1": 1999, "hot-2": 4900, "calm-1": 250}
SLICE = 400
FATES = (
    "placed",
    "queued",
    "compensated",
    "info_there",
    "info_gone",
    "refused",
    "failed",
    "not_sent",
    "double_click",
    "fail_beside_ok",
    "fail_beside_info",
)


@dataclass(slots=True)
class World:
    """What was done, and what the shards hold."""

    rng: Random
    ops: list[Op] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    lines: list[LineRow] = field(default_factory=list)
    movements: list[StockMovement] = field(default_factory=list)
    money: list[MoneyMovement] = field(default_factory=list)
    payments: list[PaymentRow] = field(default_factory=list)
    written: Counter[int] = field(default_factory=Counter)
    queued: Counter[int] = field(default_factory=Counter)

    def reads(self) -> FinalReads:
        moved = Counter[tuple[int, str]]()
        for m in self.movements:
            moved[m.shard, m.sku] += m.delta
        stock = tuple(
            StockRow(shard, sku, SLICE, SLICE + moved[shard, sku])
            for shard in range(SHARDS)
            for sku in PRICES
        )
        return FinalReads(
            shards=SHARDS,
            orders=tuple(self.orders),
            lines=tuple(self.lines),
            stock=stock,
            movements=tuple(self.movements),
            money=tuple(self.money),
            payments=tuple(self.payments),
            queue_depth=0,
        )

    def intend(self, fate: str) -> None:
        n = len(self.ops)
        user, key = f"u{n % 7}", f"key{n}"
        sku, quantity = self.rng.choice(sorted(PRICES)), self.rng.randint(1, 3)
        uid = f"{n:032x}{n % 256:02x}"
        wanted = {"user_id": user, "key": key, "sku": sku, "quantity": quantity}

        def told(outcome: Outcome, reason: str, **more: object) -> None:
            amount = PRICES[sku] * quantity
            self.ops.append(
                op(len(self.ops), outcome, reason, amount_cents=amount, **wanted, **more)
            )

        def ok(reason: str = "placed") -> None:
            told(Outcome.OK, reason, order_id=uid, status=201 if reason == "placed" else 202)

        match fate:
            case "placed":
                ok()
            case "queued" | "compensated":
                ok("queued")
            case "info_there" | "info_gone":
                told(Outcome.INFO, "timeout")
            case "refused":
                told(Outcome.FAIL, "sold_out", is_refusal=True, status=409)
            case "failed":
                told(Outcome.FAIL, "pool_exhausted", status=503)
            case "not_sent":
                told(Outcome.FAIL, "not_sent", sent_ns=NOT_SENT)
            case "double_click":
                ok()
                ok()
            case "fail_beside_ok":
                told(Outcome.FAIL, "overloaded", status=503)
                ok()
            case "fail_beside_info":
                told(Outcome.INFO, "connection_lost")
                told(Outcome.FAIL, "breaker_open", status=503)
        if fate in {"info_gone", "refused", "failed", "not_sent"}:
            return
        self._write(uid, user, key, sku, quantity, fate)

    def _write(self, uid: str, user: str, key: str, sku: str, quantity: int, fate: str) -> None:
        shard = int(user[1:]) % SHARDS
        amount = PRICES[sku] * quantity
        self.written[shard] += 1
        queue_seq = None
        if fate in {"queued", "compensated"}:
            self.queued[shard] += 1
            queue_seq = self.queued[shard]
        is_placed = fate != "compensated"
        self.orders.append(
            OrderRow(
                shard,
                uid,
                f"DY20260127{len(self.orders):06d}",
                user,
                key,
                10 if is_placed else 60,
                "placed" if is_placed else "compensated",
                amount,
                self.written[shard],
                queue_seq,
            )
        )
        self.lines.append(LineRow(shard, uid, sku, quantity, PRICES[sku]))
        if is_placed:
            self.movements.append(StockMovement(shard, uid, sku, -quantity))
            self.money.append(MoneyMovement(shard, uid, "order", amount))

    def pay(self, index: int, fate: str) -> None:
        """A callback for a placed order; `fate` is ok, twice, info_there, info_gone or failed."""
        order = self.orders[index]
        transaction = f"t{order.order_id}"

        def told(outcome: Outcome, reason: str) -> None:
            self.ops.append(
                op(
                    len(self.ops),
                    outcome,
                    reason,
                    kind="pay_callback",
                    order_id=order.order_id,
                    amount_cents=order.amount_cents,
                    transaction_id=transaction,
                )
            )

        outcomes = {
            "ok": [(Outcome.OK, "paid")],
            "twice": [(Outcome.OK, "paid"), (Outcome.OK, "paid")],
            "late_fail": [(Outcome.OK, "paid"), (Outcome.FAIL, "breaker_open")],
            "info_there": [(Outcome.INFO, "timeout")],
            "info_gone": [(Outcome.INFO, "timeout")],
            "failed": [(Outcome.FAIL, "order_still_queued")],
        }
        for outcome, reason in outcomes[fate]:
            told(outcome, reason)
        if fate in {"info_gone", "failed"}:
            return
        self.payments.append(
            PaymentRow(order.shard, transaction, order.order_id, order.amount_cents)
        )
        self.money.append(MoneyMovement(order.shard, order.order_id, "payment", order.amount_cents))
        self.orders[index] = OrderRow(
            **{f: getattr(order, f) for f in OrderRow.__dataclass_fields__} | {"status": 20}
        )


def op(op_id: int, outcome: Outcome, reason: str, **more: object) -> Op:
    """An operation of its own process; times are 1 ms apart."""
    start = op_id * 1_000_000
    fields: dict[str, object] = {
        "op_id": op_id,
        "kind": "place_order",
        "stage": "rush",
        "journey": "buy",
        "is_arrival": True,
        "process": op_id,
        "due_ns": start,
        "sent_ns": start,
        "done_ns": start + 500_000,
        "outcome": outcome,
        "reason": reason,
        "is_refusal": False,
        "status": 200 if outcome is Outcome.OK else 0,
        "attempts": (),
    }
    return Op(**(fields | more))  # type: ignore[arg-type]


def correct_world(seed: int, extra: int = 12) -> tuple[list[Op], FinalReads]:
    """Everything of every kind, in an order and with amounts that the seed decides."""
    rng = Random(seed)
    world = World(rng)
    fates = [*FATES, *FATES, "placed", "queued", "queued", *rng.choices(FATES, k=extra)]
    rng.shuffle(fates)
    for fate in fates:
        world.intend(fate)
    # Two queued orders of one user, so that a lane of the queue has an order to keep.
    while max(world.queued.values()) < 2:
        world.intend("queued")
    payable = [i for i, row in enumerate(world.orders) if row.state == "placed"]
    fates = ["ok", "twice", "late_fail", "info_there", "info_gone", "failed"]
    for index, fate in zip(payable, fates * 9, strict=False):
        world.pay(index, fate)
    return world.ops, world.reads()


def of_order(reads: FinalReads) -> dict[str, list[LineRow]]:
    """The lines of each order."""
    lines: dict[str, list[LineRow]] = defaultdict(list)
    for line in reads.lines:
        lines[line.order_id].append(line)
    return lines
