"""Final reads: what the system's own stores hold after heal and drain, with the service stopped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as a shard holds it. `state` is `placed` or `compensated`; `queue_seq` for one that was queued."""

    shard: int
    order_id: str
    order_no: str
    user_id: str
    key: str
    status: int
    state: str
    amount_cents: int
    placed_seq: int  # ascending in the order of the durable writes of its shard
    queue_seq: int | None = None


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of an order."""

    shard: int
    order_id: str
    sku: str
    quantity: int
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class StockRow:
    """A shard's slice of a product's stock, in units. `sold` is the stock's own count, where it has one."""

    shard: int
    sku: str
    initial: int
    available: int | None
    sold: int | None = None


@dataclass(frozen=True, slots=True)
class StockMovement:
    """A ledger line; `delta` in units is negative for a sale."""

    shard: int
    order_id: str
    sku: str
    delta: int


@dataclass(frozen=True, slots=True)
class MoneyMovement:
    """A ledger line in cents; kind `order` is what an order is worth, `payment` what was paid."""

    shard: int
    order_id: str
    kind: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment that the shard has recorded."""

    shard: int
    transaction_id: str
    order_id: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class FinalReads:
    """Everything read; `missing` names what could not be read: then the invariants that need it are unknown.

    `queue_depth` is the number of records left in the durable queues, `open_sessions` the client sessions
    other than ours that the databases still had: a late commit of theirs could change the answer.

    `columns` are those that were read, such as `orders.key` (None: every one), and `earlier_orders` and
    `earlier_payments` the ids of what was there before the run.
    """

    shards: int
    orders: tuple[OrderRow, ...] = ()
    lines: tuple[LineRow, ...] = ()
    stock: tuple[StockRow, ...] = ()
    movements: tuple[StockMovement, ...] = ()
    money: tuple[MoneyMovement, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    queue_depth: int | None = None
    open_sessions: int = 0
    missing: tuple[str, ...] = ()
    columns: frozenset[str] | None = None
    earlier_orders: frozenset[str] = frozenset()
    earlier_payments: frozenset[str] = frozenset()

    def gives(self, column: str) -> bool:
        """Whether a column was read; what was not read is empty in the rows, and says nothing."""
        return self.columns is None or column in self.columns

    def owner(self, user_id: str, key: str) -> tuple[str, str]:
        """Whose order it is, as far as the reads can tell one customer's key from another's."""
        return user_id if self.gives("orders.user_id") else "", key

    def place(self, shard: int) -> str:
        """How a report names a shard: not at all when there is but one."""
        return f"@shard{shard}" if self.shards > 1 else ""
