"""The currency between all parts: one logical operation of one simulated customer."""

from __future__ import annotations

from enum import StrEnum

import msgspec

NOT_SENT = -1
"""`sent_ns` of an arrival that was due but never left (the in-flight bound was reached)."""

NEVER = -1
"""`first_ns` of an operation whose last attempt was not answered with a single byte."""


REFUSALS = frozenset({"sold_out", "purchase_limit", "validation"})
"""Reasons of business, as the reference service gives them."""


class Outcome(StrEnum):
    """What is known of an operation: it happened, it certainly did not, or nobody can say."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


OK, FAIL, INFO = Outcome.OK, Outcome.FAIL, Outcome.INFO
"""For the hot path: a member of an enumeration costs 130 ns to look up (CPython 3.11)."""


class Attempt(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One HTTP request of an operation. Times are CLOCK_MONOTONIC nanoseconds; status 0: no answer."""

    sent_ns: int
    done_ns: int
    status: int
    outcome: Outcome
    reason: str


class Op(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One logical operation, however many attempts it took.

    Times are CLOCK_MONOTONIC nanoseconds (one clock for all processes of a machine).
    `reason` says more than the outcome: for ok `placed`, `queued`, `paid`, `found`; for a refusal
    (`is_refusal`, always definite) `sold_out`, `purchase_limit`, `validation`; for a technical
    failure the backend's problem type (`pool_exhausted`, `breaker_open`, `queue_full`, `overloaded`,
    `deadline`), `connection_refused` or `not_sent`; for info `timeout`, `connection_lost`,
    `gateway_timeout` or `http_NNN`.
    """

    op_id: int
    kind: str  # place_order, pay_callback, get_order, get_product
    stage: str
    journey: str  # the arrival that it belongs to: browse, order, buy, ...
    is_arrival: bool  # the first step of its journey: its due time comes from the schedule
    process: int  # Jepsen's process id: one open operation at a time; a new one after an info
    due_ns: int
    sent_ns: int
    done_ns: int
    outcome: Outcome
    reason: str
    is_refusal: bool
    status: int  # the deciding attempt's HTTP status, 0 when there was no answer
    attempts: tuple[Attempt, ...]
    key: str = ""  # idempotency key (place_order)
    order_id: str = ""  # as the service returned it, or as the operation asked for it
    user_id: str = ""
    sku: str = ""
    quantity: int = 0
    amount_cents: int = 0
    transaction_id: str = ""  # pay_callback
    connection_wait_ns: int = 0  # waited for a client connection: must be 0 in a valid stage
    breakdown: str = ""  # the Server-Timing header, on a sample of responses
    worker: int = 0
    first_ns: int = NEVER  # when the first byte of the last answer came


def combine(attempts: tuple[Attempt, ...]) -> Attempt:
    """The attempt that decides the operation: any ok wins, else any info, else the last failure.

    Source: the outcome rules of docs/decisions/outcomes.md (an info stays unknown even if the last retry failed).
    """
    if not attempts:
        raise ValueError("an operation without attempts has no outcome")
    if len(attempts) == 1:
        return attempts[0]
    for wanted in (OK, INFO):
        for attempt in attempts:
            if attempt.outcome is wanted:
                return attempt
    return attempts[-1]
