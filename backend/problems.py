"""Problem bodies (RFC 9457): every answer that is not a success, and whether it is definite.

`definite`: the request certainly changed nothing, and will change nothing later. `refusal`: an answer of the
business or a fault of the request, not a technical failure. The table stands here; routes.py applies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from backend.breakers import BreakerOpenError
from backend.errors import RefusedError, ServiceError

BASE = "https://flashdrill.invalid/problems/"
CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table. `retry_after_s` 0: it makes no sense to come again at once.

    `challenge` names what is missing, as HTTP demands with a 401.
    """

    status: int
    title: str
    is_definite: bool = True
    is_refusal: bool = False
    retry_after_s: int = 0
    challenge: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What is sent beside the body."""
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        return {**headers, "WWW-Authenticate": self.challenge} if self.challenge else headers


KINDS: dict[str, Kind] = {
    # the business says no
    "sold-out": Kind(409, "Sold out", is_refusal=True),
    "purchase-limit": Kind(409, "Purchase limit reached", is_refusal=True),
    "amount-mismatch": Kind(409, "The amount is another", is_refusal=True),
    "other-transaction": Kind(409, "Paid by another transaction", is_refusal=True),
    "not-payable": Kind(409, "Not payable", is_refusal=True),
    # the request is wrong
    "validation": Kind(422, "Not acceptable", is_refusal=True),
    "key-reuse": Kind(422, "Idempotency key reused", is_refusal=True),
    "not-found": Kind(404, "Not found", is_refusal=True),
    "unauthorized": Kind(401, "Not signed as it should be", challenge="HMAC-SHA256"),
    # nothing happened; come again
    "overloaded": Kind(503, "Too many requests in flight", retry_after_s=1),
    "pool-exhausted": Kind(503, "Too many wait for the database", retry_after_s=1),
    "shard-unavailable": Kind(503, "The database cannot be reached", retry_after_s=1),
    "breaker-open": Kind(503, "The database is being spared", retry_after_s=1),
    "queue-full": Kind(503, "The queue is full", retry_after_s=1),
    "gate-unavailable": Kind(503, "Stock cannot be reserved now", retry_after_s=1),
    "order-still-queued": Kind(503, "The order is still queued", retry_after_s=1),
    "payment-in-progress": Kind(503, "Another callback is at work", retry_after_s=1),
    "draining": Kind(503, "Shutting down", retry_after_s=1),
    "deadline": Kind(504, "Not begun in time", retry_after_s=1),
    # nobody knows
    "unknown-commit": Kind(504, "Begun, outcome unknown", is_definite=False, retry_after_s=1),
    "internal": Kind(500, "Unexpected", is_definite=False),
}


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of every answer that is not a success (RFC 9457)."""

    type: Annotated[str, Meta(extra_json_schema={"format": "uri"}, description="Which problem.")]
    title: Annotated[str, Meta(description="The same for every problem of the type.")]
    status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What was wrong this time.")]
    definite: Annotated[
        bool,
        Meta(description="True: the request changed nothing. False: nobody knows; ask again."),
    ]
    refusal: Annotated[
        bool,
        Meta(description="True: an answer of the business, or the request's own fault."),
    ]


def body_of(slug: str, detail: str, status: int | None = None) -> Problem:
    """The body for a row of the table; `status` overrides the row's."""
    kind = KINDS[slug]
    return Problem(
        BASE + slug,
        kind.title,
        status or kind.status,
        detail,
        kind.is_definite,
        kind.is_refusal,
    )


def problem(slug: str, detail: str, status: int | None = None) -> web.Response:
    """The response for a row of the table; `status` overrides the row's."""
    body = body_of(slug, detail, status)
    return web.Response(
        status=body.status,
        body=msgspec.json.encode(body),
        content_type=CONTENT_TYPE,
        headers=KINDS[slug].headers,
    )


def problem_of(error: ServiceError | BreakerOpenError) -> web.Response:
    """The response for an error."""
    if isinstance(error, BreakerOpenError):
        return problem("breaker-open", str(error))
    status = error.status if isinstance(error, RefusedError) else None
    return problem(error.slug, str(error), status)
