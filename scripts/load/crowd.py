"""flashdrill's contender: a locustfile with one journey of one order."""

from __future__ import annotations

from flashdrill.locust import Call, OpenCrowd, Session, journey
from scripts.load.order import BODY, HEADERS, PATH, REQUIRED, STATUS


class Crowd(OpenCrowd):
    """Customers who order once."""

    @journey
    def order(self, session: Session) -> None:
        """One order, with a key of its own."""
        product = session.draw_product()
        key = session.draw_key()
        call = Call(
            kind="place_order",
            method="POST",
            path=PATH,
            acknowledged={STATUS: "placed"},
            required=(REQUIRED,),
            body=BODY,
            headers={**HEADERS, "Idempotency-Key": key},
            key=key,
            user_id=session.user_id,
            sku=product.sku,
            quantity=1,
            amount_cents=product.price_cents,
        )
        session.operation(call)
