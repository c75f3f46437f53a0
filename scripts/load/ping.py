"""A locustfile with one journey of one request, for the stall test."""

from __future__ import annotations

from flashdrill.locust import Call, OpenCrowd, Session, journey


class Pingers(OpenCrowd):
    """Customers who look once, and do not come again."""

    @journey
    def ping(self, session: Session) -> None:
        """One request."""
        session.operation(
            Call(kind="ping", method="GET", path="/", acknowledged={201: "ok"}, user_id="u1")
        )
