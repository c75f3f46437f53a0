"""The final reads of somebody's own service, as it declares them; what cannot be read is named, never guessed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flashdrill.audit.contract import ContractError, Rows, typed, whole
from flashdrill.audit.fetching import UnreadableError, fetch_all
from flashdrill.model.reads import (
    FinalReads,
    LineRow,
    MoneyMovement,
    OrderRow,
    PaymentRow,
    StockMovement,
    StockRow,
)
from flashdrill.model.service import Read, Service

_ONE_LINE = ("sku", "quantity", "unit_price_cents")
"""What an order with one line says of it itself."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What was read; `failures` say why a read failed, by its name."""

    reads: FinalReads
    failures: Mapping[str, str] = field(default_factory=dict)


async def read_declared(service: Service, timeout_s: float) -> Declared:
    """All declared reads. Raises ConfigError when a secret is not there; any other failure is in the answer."""
    rows: dict[str, list[dict[str, Any]]] = {}
    columns: set[str] = set()
    failures: dict[str, str] = {}
    for name, found in (await fetch_all(service.reads, timeout_s)).items():
        try:
            rows[name] = typed(name, _readable(found))
            columns |= {f"{name}.{column}" for column in _readable(found).columns}
        except (ContractError, UnreadableError) as error:
            failures[name] = str(error)
    missing = tuple(name for name in service.reads if name in failures)
    return Declared(replace(_assembled(rows, columns, service.reads), missing=missing), failures)


async def read_number(read: Read, timeout_s: float) -> int:
    """The one number that a read gives. Raises UnreadableError, ConfigError."""
    found = _readable((await fetch_all({"drained": read}, timeout_s))["drained"])
    if len(found.rows) != 1 or len(found.rows[0]) != 1:
        raise UnreadableError(f"it gives {len(found.rows)} rows, and should give one number")
    try:
        return whole(found.rows[0][0])
    except ContractError as error:
        raise UnreadableError(f"what it gives {error}") from None


def _readable(found: Rows | UnreadableError) -> Rows:
    if isinstance(found, UnreadableError):
        raise found
    return found


def _assembled(
    rows: Mapping[str, list[dict[str, Any]]], columns: set[str], declared: Collection[str]
) -> FinalReads:
    orders = rows.get("orders", [])
    lines = _lines_inside(orders) if _are_lines_inside(columns, declared) else rows.get("lines", [])
    if _are_lines_inside(columns, declared):
        inside = {"order_id", *_ONE_LINE}
        columns = columns | {f"lines.{name}" for name in inside if f"orders.{name}" in columns}
    return FinalReads(
        shards=1,
        orders=tuple(OrderRow(shard=0, **_without(row, _ONE_LINE)) for row in orders),
        lines=tuple(LineRow(shard=0, **row) for row in lines),
        stock=tuple(StockRow(shard=0, **row) for row in rows.get("stock", [])),
        movements=tuple(StockMovement(shard=0, **row) for row in rows.get("movements", [])),
        money=tuple(MoneyMovement(shard=0, **row) for row in rows.get("money", [])),
        payments=tuple(PaymentRow(shard=0, **row) for row in rows.get("payments", [])),
        columns=frozenset(columns),
    )


def _are_lines_inside(columns: set[str], declared: Collection[str]) -> bool:
    return {"orders.sku", "orders.quantity"} <= columns and "lines" not in declared


def _lines_inside(orders: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for order in orders:
        yield {"order_id": order["order_id"], **{key: order[key] for key in _ONE_LINE}}


def _without(row: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}
