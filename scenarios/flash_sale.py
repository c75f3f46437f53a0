"""The crowd of a flash sale: people who look, people who order, people who order and pay.

Read by Locust, as a child of `flashdrill run` or from its own command line (docs/locust.md). Who comes
when is in the scenario (`flash_sale.yaml`, `smoke.yaml`), whatever number of users Locust is given,
with these `parameters` (all optional; shares from 0 to 1, times in seconds):

    channel                  the sales channel's code
    several_share            orders of two or three units
    double_click_share       orders sent twice at once, with the same idempotency key
    duplicate_payment_share  payment callbacks delivered twice at once
    replayed_payment_share   payment callbacks delivered again, long after
    late_payment_share       payments that come after `late_payment_s` instead of `payment_s`
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

from flashdrill.locust import Call, OpenCrowd, Product, Retry, Session, journey

JSON = {"Content-Type": "application/json"}

PROVIDER_RETRY = Retry(attempts=12, base_s=0.25, cap_s=2.0)
"""A payment provider comes again until it is heard: an order may wait in the queue for a while."""


class FlashSale(OpenCrowd):
    """The customers of the reference order service."""

    @journey
    def browse(self, session: Session) -> None:
        """Look at one to three products."""
        session.operation(look_at(session.draw_product()))
        for _ in range(session.rng.randrange(3)):
            session.think(session.rng.uniform(0.3, 1.5))
            session.operation(look_at(session.draw_product()))

    @journey
    def order(self, session: Session) -> None:
        """Order one product and leave; some click twice."""
        self._place(session)

    @journey
    def buy(self, session: Session) -> None:
        """Order, pay, and look the order up. Who got no order pays nothing."""
        order_id, amount_cents = self._place(session)
        if not order_id:
            return
        think_before_payment(session)
        payment = self._payment(session, order_id, amount_cents)
        if session.happens("duplicate_payment_share", 0.2):
            session.beside(lambda twin: twin.operation(payment))
        session.operation(payment)
        session.think(session.rng.uniform(0.1, 0.5))
        session.operation(look_up(order_id))
        if session.happens("replayed_payment_share", 0.05):
            session.think(session.parameter("late_payment_s", 3.0))
            session.operation(payment)

    def _place(self, session: Session) -> tuple[str, int]:
        """The order's id (empty when it was not acknowledged) and its amount in cents."""
        call = place_order(session, str(self.spec.parameters.get("channel", "DY")))
        if session.happens("double_click_share", 0.02):
            session.beside(lambda twin: twin.operation(call))
        answer = session.operation(call)
        return (answer.op.order_id if answer.is_ok else ""), call.amount_cents

    def _payment(self, session: Session, order_id: str, amount_cents: int) -> Call:
        """The provider's callback, signed afresh whenever it is delivered."""
        transaction_id = f"T{session.draw_key()}"
        body = {
            "out_trade_no": order_id,
            "transaction_id": transaction_id,
            "amount_cents": amount_cents,
            "paid_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return Call(
            kind="pay_callback",
            method="POST",
            path="/payments/callback",
            via="payment",
            acknowledged={200: "paid"},
            headers=JSON,
            body=json.dumps(body).encode(),
            sign=self._sign,
            retry=PROVIDER_RETRY,
            order_id=order_id,
            user_id=session.user_id,
            amount_cents=amount_cents,
            transaction_id=transaction_id,
        )

    def _sign(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        message = timestamp.encode() + b"." + body
        signature = hmac.new(self.spec.hmac_secret.encode(), message, hashlib.sha256).hexdigest()
        return {"X-Timestamp": timestamp, "X-Signature": signature}


def place_order(session: Session, channel: str) -> Call:
    """An order of one product, with a fresh idempotency key."""
    product = session.draw_product()
    several = session.happens("several_share", 0.2)
    quantity = session.rng.randint(2, 3) if several else 1
    amount_cents = product.price_cents * quantity
    key = session.draw_key()
    body = {
        "channel": channel,
        "user_id": session.user_id,
        "lines": [{"sku": product.sku, "quantity": quantity}],
        "amount_cents": amount_cents,
    }
    return Call(
        kind="place_order",
        method="POST",
        path="/orders",
        acknowledged={201: "placed", 202: "queued"},
        required=("order_id",),
        headers={**JSON, "Idempotency-Key": key},
        body=json.dumps(body).encode(),
        key=key,
        user_id=session.user_id,
        sku=product.sku,
        quantity=quantity,
        amount_cents=amount_cents,
    )


def look_at(product: Product) -> Call:
    """A product's page."""
    return Call(
        kind="get_product",
        method="GET",
        path=f"/products/{product.sku}",
        acknowledged={200: "found"},
        sku=product.sku,
    )


def look_up(order_id: str) -> Call:
    """An order's page."""
    return Call(
        kind="get_order",
        method="GET",
        path=f"/orders/{order_id}",
        acknowledged={200: "found"},
        order_id=order_id,
    )


def think_before_payment(session: Session) -> None:
    """Most pay soon, some late."""
    is_late = session.happens("late_payment_share", 0.15)
    mean_s = (
        session.parameter("late_payment_s", 3.0) if is_late else session.parameter("payment_s", 0.5)
    )
    session.think(session.rng.uniform(0.5, 1.5) * mean_s)
