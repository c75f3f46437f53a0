"""What schemathesis has to be told about the shop that it tests. Loaded by its own process: see schemathesis.toml."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import Any

import requests
import schemathesis

from tests.services.servers import SECRET

PRICE_CENTS = 1999
RULES = (
    r"amount_cents should be \d+",
    r"there is no product \S+",
    r"a product is named in two lines",
    r"the idempotency key was used with another order",
    r"Expected `int`, got `float` - at `\$\S+`",
)
"""Why an order or a callback may be refused that fits its schema.

What JSON Schema cannot say: sums, what is sold here, and that money is never written as a float (1.0 is an integer
there). Any other detail of a 422 to well-formed data says that schema and parser disagree.
"""


class Signed(requests.auth.AuthBase):
    """Signs what is really sent, as the payment provider does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        stamp = str(int(time.time()))
        message = stamp.encode() + b"." + raw
        signature = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        request.headers.update({"X-Timestamp": stamp, "X-Signature": signature})
        return request


schemathesis.auth.set_from_requests(Signed()).apply_to(path="/payments/callback")


PLACED: list[tuple[str, int]] = []
"""Orders that this run has placed: (id, amount)."""


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, **__: Any) -> None:
    """Random data names no product and no order that there is: put in those that there are."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    is_random = case.meta.phase.name in ("fuzzing", "stateful")
    if case.operation.label == "POST /orders" and is_random:
        price(case.body)
    elif case.operation.label == "POST /payments/callback" and case.meta.phase.name == "fuzzing":
        name_order(case.body)  # elsewhere the links of the document do it


@schemathesis.hook
def after_call(
    _: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response
) -> None:
    """Remember what was placed."""
    if case.operation.label == "POST /orders" and response.status_code == 201:
        PLACED.append((response.json()["order_id"], case.body["amount_cents"]))


def price(order: dict[str, Any]) -> None:
    """Name products that there are, each once, and the amount that they cost."""
    for number, line in enumerate(order["lines"], start=1):
        line["sku"] = f"demo-{number}"
    if all(isinstance(line["quantity"], int) for line in order["lines"]):
        order["amount_cents"] = PRICE_CENTS * sum(line["quantity"] for line in order["lines"])


def name_order(callback: dict[str, Any]) -> None:
    """Pay an order that there is."""
    if PLACED and isinstance(callback["amount_cents"], int):
        callback["out_trade_no"], callback["amount_cents"] = PLACED[-1]


@schemathesis.check
def refusals_of_wellformed_data(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Where positive_data_acceptance allows 422: only a rule that no schema can express may be the reason."""
    if response.status_code != 422 or case.meta is None:
        return
    if case.meta.generation.mode.is_positive:
        detail = response.json()["detail"]
        assert any(re.fullmatch(rule, detail) for rule in RULES), (
            f"well-formed, and refused: {detail}"
        )
