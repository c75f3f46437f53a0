"""The stranger's customers, as a plain crowd: they look, and they buy."""

from __future__ import annotations

import json

from flashdrill.locust import Call, OpenCrowd, Session, journey


class Customers(OpenCrowd):
    """Of a shop that has never heard of flashdrill."""

    @journey
    def look(self, session: Session) -> None:
        """At one item."""
        sku = session.draw_product().sku
        session.operation(
            Call(kind="look", method="GET", path=f"/items/{sku}", acknowledged={200: "found"})
        )

    @journey
    def buy(self, session: Session) -> None:
        """One or two pieces."""
        sku, pieces, receipt = (
            session.draw_product().sku,
            session.rng.randint(1, 2),
            session.draw_key(),
        )
        wish = {"receipt": receipt, "customer": session.user_id, "item": sku, "pieces": pieces}
        session.operation(
            Call(
                kind="place_order",
                method="POST",
                path="/buy",
                acknowledged={200: "placed"},
                refused={409: "sold_out"},
                headers={"Content-Type": "application/json"},
                body=json.dumps(wish).encode(),
                key=receipt,
                user_id=session.user_id,
                sku=sku,
                quantity=pieces,
            )
        )
