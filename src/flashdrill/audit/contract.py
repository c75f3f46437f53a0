"""What each declared final read must give: its columns, which of them it may leave out, and their types.

Rows as they came from SQL or JSON become the rows of `flashdrill.model.reads`. A column that is not in the contract is
refused: a slip of the pen would else silently be a check that nobody makes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

TEXT, WHOLE = "text", "whole number"
_MOST_CENTS = 2**63


class ContractError(ValueError):
    """Something does not fit; the words name column and row, never a value."""


@dataclass(frozen=True, slots=True)
class Column:
    """`default` stands for a column that is left out, and for null; one that is required must have a value."""

    kind: str
    meaning: str
    is_required: bool = False
    default: object = None


def _must(kind: str, meaning: str) -> Column:
    return Column(kind, meaning, is_required=True)


def _may(kind: str, meaning: str, default: object = None) -> Column:
    return Column(kind, meaning, default=default)


CONTRACT: Mapping[str, Mapping[str, Column]] = {
    "orders": {
        "order_id": _must(TEXT, "the id that customers were told"),
        "user_id": _may(TEXT, "whose it is, as the request had it", ""),
        "key": _may(TEXT, "the idempotency key that came with the request", ""),
        "order_no": _may(TEXT, "a display number, given once", ""),
        "state": _may(
            TEXT, "`placed`, `compensated` (undone), or anything else: in between", "placed"
        ),
        "status": _may(WHOLE, "20, 30, 40, 50, 70 or 80 for an order that is paid", 0),
        "amount_cents": _may(WHOLE, "what it is worth, in cents", 0),
        "sku": _may(TEXT, "its product, when an order has one line", ""),
        "quantity": _may(WHOLE, "its units, when an order has one line", 0),
        "unit_price_cents": _may(WHOLE, "what a unit costs, when an order has one line", 0),
        "placed_seq": _may(WHOLE, "ascends in the order of the durable writes", 0),
        "queue_seq": _may(WHOLE, "its record in the durable queue; null: it was not queued"),
    },
    "lines": {
        "order_id": _must(TEXT, "the order that it is of"),
        "sku": _must(TEXT, "the product"),
        "quantity": _must(WHOLE, "units"),
        "unit_price_cents": _may(WHOLE, "what a unit costs, in cents", 0),
    },
    "stock": {
        "sku": _must(TEXT, "the product"),
        "initial": _must(WHOLE, "units that there were to sell"),
        "available": _may(WHOLE, "units that are left"),
        "sold": _may(WHOLE, "units that are sold, as the stock itself counts them"),
    },
    "movements": {
        "order_id": _must(TEXT, "the order that it is for; empty: none"),
        "sku": _must(TEXT, "the product"),
        "delta": _must(WHOLE, "units, negative for a sale"),
    },
    "money": {
        "order_id": _must(TEXT, "the order that it is for"),
        "kind": _must(TEXT, "`order` for what an order is worth, `payment` for what was paid"),
        "amount_cents": _must(WHOLE, "in cents"),
    },
    "payments": {
        "transaction_id": _must(TEXT, "the payment provider's id"),
        "order_id": _must(TEXT, "the order that is paid"),
        "amount_cents": _must(WHOLE, "in cents"),
    },
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as it was read."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def typed(read: str, found: Rows) -> list[dict[str, Any]]:
    """One mapping a row, with every column of the contract. Raises ContractError."""
    contract = CONTRACT[read]
    check_columns(read, found.columns)
    converts = [(name, _converter(contract[name])) for name in found.columns]
    absent = {
        name: column.default for name, column in contract.items() if name not in found.columns
    }
    made = []
    for number, row in enumerate(found.rows, 1):
        values = dict(absent)
        for (name, convert), value in zip(converts, row, strict=True):
            try:
                values[name] = convert(value)
            except ContractError as error:
                raise ContractError(f"`{name}` in row {number} {error}") from None
        made.append(values)
    return made


def check_columns(read: str, columns: Sequence[str]) -> None:
    """Raise ContractError for a column that is missing, unknown or there twice."""
    contract = CONTRACT[read]
    for name in columns:
        if name not in contract:
            close = difflib.get_close_matches(name, contract, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise ContractError(
                f"gives a column `{name}` that it cannot have{hint} (it takes {', '.join(contract)})"
            )
    if len(set(columns)) < len(columns):
        raise ContractError("gives a column twice")
    for name, column in contract.items():
        if column.is_required and name not in columns:
            raise ContractError(f"gives no column `{name}` ({column.meaning})")


def _converter(column: Column) -> Callable[[Any], Any]:
    convert = _text if column.kind == TEXT else whole

    def converted(value: Any) -> Any:
        if value is not None:
            return convert(value)
        if column.is_required:
            raise ContractError("is null")
        return column.default

    return converted


def _text(value: Any) -> str:
    if isinstance(value, bool | bytes | bytearray | memoryview | list | dict):
        raise ContractError(f"is no text but {type(value).__name__}")
    return str(value)


def whole(value: Any) -> int:
    """A whole number. Raises ContractError: a fraction of a cent, or of a unit, is somebody's mistake."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        number = int(value)
    else:
        raise ContractError(f"is no whole number but {type(value).__name__}")
    if abs(number) >= _MOST_CENTS:
        raise ContractError("is out of range")
    return number
