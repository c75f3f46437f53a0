"""Requests, parsed once at the edge: unknown fields, wrong types and odd characters are refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from backend.errors import RefusedError

MAX_CENTS = 10**12
MAX_KEY = 200
KEY_HEADER = "Idempotency-Key"
T = TypeVar("T")

_SKU = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_KEY = re.compile(r"^[!-~]([ -~]*[!-~])?\Z")  # HTTP takes blanks off both ends

Sku = Annotated[str, Meta(pattern=_SKU.pattern, examples=["demo-1"])]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}\Z")]
Channel = Annotated[
    str, Meta(pattern=r"^[A-Z]{2,8}\Z", description="Where it was sold.", examples=["DY"])
]
Cents = Annotated[
    int, Meta(ge=0, le=MAX_CENTS, description="Whole cents, written without a fraction.")
]
Key = Annotated[
    str,
    Meta(
        pattern=_KEY.pattern,
        max_length=MAX_KEY,
        description="Made by the customer, once for each order. The same channel, user and key are the same order,"
        " however often it is sent; with another body it is refused.",
        examples=["4d1f2c9e-order-1"],
    ),
]

_YEARS = range(
    2000, 3000
)  # a database takes the first and the last moment of all for "never" and "for ever"
Moment = Annotated[
    datetime,
    Meta(
        tz=True,
        description=f"With its offset from UTC; in the years {_YEARS[0]} to {_YEARS[-1]}.",
        extra_json_schema={"pattern": "^2[0-9]{3}-"},
    ),
]


class LineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many of one product."""

    sku: Sku
    quantity: Annotated[int, Meta(ge=1, le=1000, description="Written without a fraction.")]


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /orders."""

    channel: Channel
    user_id: Name
    lines: Annotated[tuple[LineRequest, ...], Meta(min_length=1, max_length=50)]
    amount_cents: Cents


class CallbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /payments/callback; `paid_at` is the payment gateway's time."""

    out_trade_no: Annotated[str, Meta(max_length=64)]
    transaction_id: Name
    amount_cents: Cents
    paid_at: Moment


_ORDER = msgspec.json.Decoder(OrderRequest)
_CALLBACK = msgspec.json.Decoder(CallbackRequest)


def parse_order(body: bytes) -> OrderRequest:
    """Raises RefusedError (400 for what is no JSON, 422 for what is not an order)."""
    request = _parse(_ORDER, body)
    skus = [line.sku for line in request.lines]
    if len(set(skus)) != len(skus):
        raise RefusedError("validation", "a product is named in two lines", 422)
    return request


def parse_callback(body: bytes) -> CallbackRequest:
    """Raises RefusedError."""
    request = _parse(_CALLBACK, body)
    if request.paid_at.year not in _YEARS:
        raise RefusedError(
            "validation", f"paid_at is in no year from {_YEARS[0]} to {_YEARS[-1]}", 422
        )
    return request


def parse_key(values: list[str]) -> str:
    """The one Idempotency-Key header: 1 to 200 printable ASCII characters. Raises RefusedError."""
    if len(values) != 1 or not values[0]:
        raise RefusedError("validation", f"one {KEY_HEADER} header is required", 400)
    key = values[0]
    if len(key) > MAX_KEY or not _KEY.match(key):
        raise RefusedError(
            "validation", f"an {KEY_HEADER} has 1 to {MAX_KEY} printable ASCII characters", 400
        )
    return key


def _parse(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RefusedError("validation", str(error), 422) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError("validation", f"the body is not JSON: {error}", 400) from error


def is_sku(text: str) -> bool:
    """Whether a text can name a product."""
    return _SKU.match(text) is not None
