"""Orders on their way to a shard, and what the shard did with them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product of an order, at the price of the moment."""

    sku: str
    quantity: int
    unit_price_cents: int


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order that is to be written. `queue_seq` is its record in the shard's file queue."""

    uid: bytes
    bucket: int
    channel: str
    user_id: str
    key: str
    body_hash: bytes
    amount_cents: int
    lines: tuple[Line, ...]
    queue_seq: int | None = None


def encode(order: NewOrder) -> bytes:
    """An order as a record of the file queue (JSON, so that a person can read it)."""
    return msgspec.json.encode(order)


def decode(payload: bytes, seq: int) -> NewOrder:
    """The order in record `seq`. Raises msgspec.MsgspecError for what is none."""
    return msgspec.structs.replace(msgspec.json.decode(payload, type=NewOrder), queue_seq=seq)


class Result(StrEnum):
    """What became of an order at the durable write."""

    PLACED = "placed"
    REPEAT = "repeat"  # it was there already
    SOLD_OUT = "sold_out"
    COMPENSATED = (
        "compensated"  # recorded without stock: to be replenished, substituted or refunded
    )
    KEY_CONFLICT = "key_conflict"  # the same key with another body is there


@dataclass(frozen=True, slots=True)
class Placement:
    """The answer for one order. `state` and `was_queued` are those of the row that is there now."""

    result: Result
    order_no: str = ""
    state: str = ""
    was_queued: bool = False
