"""Logical operations: one intention of a customer, however many attempts it takes.

An attempt that may have happened, or that was turned away for the moment, is made again with the
same idempotency key after a pause with jitter; `Retry-After` is honoured. The outcome follows
`model.op.combine`: any ok wins, else any unknown, else the last failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

import msgspec

from flashdrill.errors import ConfigError
from flashdrill.load.answer import Judgement, judge
from flashdrill.load.exchange import HeldBackError, Reply, Request
from flashdrill.model.op import FAIL, INFO, NEVER, NOT_SENT, OK, Attempt, Op, combine

MOST = (1 << 63) - 1
"""What the record's columns of numbers hold."""

WORKER_SHIFT = 40
"""Ids of worker w start at w · 2^40, so that those of several workers do not meet."""


class Retry(msgspec.Struct, frozen=True, gc=False):
    """How long a customer tries. The n-th pause is base · 2^n up to the cap, less up to a half at random.

    A `Retry-After` makes it longer, up to `retry_after_cap_s`. 0 attempts: as many as the scenario's limits say.
    """

    attempts: int = 0
    base_s: float = 0.1
    cap_s: float = 2.0
    retry_after_cap_s: float = 5.0

    def pause_s(self, attempt: int, retry_after_s: float | None, rng: Random) -> float:
        """The pause after the attempt (counted from 0), in seconds."""
        longest = min(self.cap_s, self.base_s * 2.0**attempt)
        backoff = longest * (1 - rng.random() / 2)
        return max(backoff, min(retry_after_s or 0.0, self.retry_after_cap_s))


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer wants. `acknowledged` maps the statuses that grant it to the outcome's reason.

    `refused` does the same for statuses that refuse it for a reason of business: it certainly did not happen, and
    that is no error. `required` are the fields that an acknowledging answer has, `sign` makes headers afresh for each
    attempt; a `judge` of its own says what an answer means instead. The last block is what the checkers need to know
    of it; it goes into the history as it is.
    """

    kind: str
    method: str
    path: str
    acknowledged: Mapping[int, str]
    refused: Mapping[int, str] = {}
    body: bytes = b""
    headers: Mapping[str, str] = {}
    sign: Callable[[bytes], Mapping[str, str]] | None = None
    judge: Callable[[Reply], Judgement] | None = None
    via: str = "backend"
    required: tuple[str, ...] = ()
    retry: Retry = Retry()

    key: str = ""
    order_id: str = ""
    user_id: str = ""
    sku: str = ""
    quantity: int = 0
    amount_cents: int = 0
    transaction_id: str = ""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an operation belongs: its stage, its journey, its process, and when it is due."""

    stage: str
    journey: str
    process: int
    due_ns: int
    is_arrival: bool


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the customer got: the operation as recorded, and the deciding answer's JSON object."""

    op: Op
    document: Mapping[str, Any]

    @property
    def is_ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.op.outcome is OK


class Sender(Protocol):
    """Whoever puts one request on the wire (`http.Wire`)."""

    def send(self, via: str, request: Request, *, timeout_s: float) -> Reply:
        """Send once and wait for the answer. An Exception, or HeldBackError, means that nothing of it has left."""
        ...


class Watch(Protocol):
    """Whoever is told of operations as they go (`crowd`'s recorder and live log)."""

    def sent(self, lateness_ns: int) -> None:
        """An operation leaves, so late."""
        ...

    def ended(self, op: Op) -> None:
        """An operation has ended."""
        ...


class Operations:
    """Performs calls with at most `in_flight_max` open; beyond that a call is recorded as not sent."""

    def __init__(
        self,
        sender: Sender,
        watch: Watch,
        *,
        in_flight_max: int,
        request_timeout_s: float,
        max_attempts: int,
        clock_ns: Callable[[], int],
        sleep: Callable[[float], object],
        worker: int = 0,
    ) -> None:
        self._sender, self._watch = sender, watch
        self._in_flight_max = in_flight_max
        self._request_timeout_s = request_timeout_s
        self._max_attempts = max_attempts
        self._clock_ns, self._sleep = clock_ns, sleep
        self._worker = worker
        self._last_op = self._last_process = worker << WORKER_SHIFT
        self.in_flight = 0

    def new_process(self) -> int:
        """A process id that nobody has had."""
        self._last_process += 1
        return self._last_process

    def perform(self, call: Call, place: Place, rng: Random) -> Answer:
        """Do it now and record it. Whatever interrupts it, an operation that may have left is recorded as unknown.

        Raises ConfigError, before anything leaves, for numbers that the record cannot hold.
        """
        _check_numbers(call)
        if self.in_flight >= self._in_flight_max:
            return self.turn_away(call, place)
        self.in_flight += 1
        open_op = _OpenOperation(call, place)
        try:
            self._attempt_until_settled(open_op, rng)
        finally:
            self.in_flight -= 1
            answer = self._conclude(open_op)
        return answer

    def turn_away(self, call: Call, place: Place) -> Answer:
        """Record that it was due and never left: the generator had no room for it."""
        return self._conclude(_OpenOperation(call, place))

    def _attempt_until_settled(self, open_op: _OpenOperation, rng: Random) -> None:
        retry = open_op.call.retry
        attempts_max = retry.attempts or self._max_attempts
        for number in range(attempts_max):
            reply, judgement = self._attempt(open_op)
            if not judgement.is_retryable or number + 1 == attempts_max:
                return
            self._sleep(retry.pause_s(number, reply.retry_after_s, rng))

    def _attempt(self, open_op: _OpenOperation) -> tuple[Reply, Judgement]:
        call = open_op.call
        headers = {**call.headers, **call.sign(call.body)} if call.sign else call.headers
        request = Request(call.method, call.path, call.body, headers)
        open_op.leaves(self._clock_ns(), self._watch)
        try:
            reply = self._sender.send(call.via, request, timeout_s=self._request_timeout_s)
        except (Exception, HeldBackError):
            open_op.stays()
            raise
        own = call.judge
        judgement = (
            own(reply) if own else judge(reply, call.acknowledged, call.required, call.refused)
        )
        open_op.answered(reply, judgement)
        return reply, judgement

    def _conclude(self, open_op: _OpenOperation) -> Answer:
        self._last_op += 1
        answer = open_op.conclude(self._last_op, self._worker, self._clock_ns())
        self._watch.ended(answer.op)
        return answer


class _OpenOperation:
    """An operation between its first attempt and its end."""

    __slots__ = (
        "attempts",
        "breakdown",
        "call",
        "connection_wait_ns",
        "first_ns",
        "judgements",
        "left_ns",
        "place",
    )

    def __init__(self, call: Call, place: Place) -> None:
        self.call, self.place = call, place
        self.attempts: list[Attempt] = []
        self.judgements: list[Judgement] = []
        self.left_ns = NOT_SENT  # when the attempt that is still out was made
        self.first_ns = NEVER
        self.connection_wait_ns = 0
        self.breakdown = ""

    def leaves(self, now_ns: int, watch: Watch) -> None:
        """An attempt is made."""
        if not self.attempts:
            watch.sent(now_ns - self.place.due_ns)
        self.left_ns = now_ns

    def stays(self) -> None:
        """The attempt was not made after all: that is the generator's own fault."""
        self.left_ns = NOT_SENT

    def answered(self, reply: Reply, judgement: Judgement) -> None:
        """The attempt came back, or was given up."""
        self.attempts.append(
            Attempt(self.left_ns, reply.done_ns, reply.status, judgement.outcome, judgement.reason)
        )
        self.judgements.append(judgement)
        self.left_ns = NOT_SENT
        self.first_ns = reply.first_ns
        self.connection_wait_ns += reply.connection_wait_ns
        self.breakdown = reply.server_timing or self.breakdown

    def conclude(self, op_id: int, worker: int, now_ns: int) -> Answer:
        """The row of the history, and what the customer learns."""
        if self.left_ns != NOT_SENT:  # interrupted while it was out: nobody can say
            self.answered(Reply(self.left_ns, now_ns), Judgement(INFO, "abandoned"))
        attempts = tuple(self.attempts)
        if attempts:
            deciding = combine(attempts)
            judgement = self.judgements[attempts.index(deciding) if len(attempts) > 1 else 0]
            sent_ns, done_ns = attempts[0].sent_ns, attempts[-1].done_ns
        else:
            deciding = _never_sent(now_ns)
            judgement = Judgement(deciding.outcome, deciding.reason)
            sent_ns, done_ns = NOT_SENT, now_ns
        call, place, document = self.call, self.place, judgement.document
        op = Op(
            op_id,
            call.kind,
            place.stage,
            place.journey,
            place.is_arrival,
            place.process,
            place.due_ns,
            sent_ns,
            done_ns,
            deciding.outcome,
            deciding.reason,
            judgement.is_refusal,
            deciding.status,
            attempts,
            call.key,
            call.order_id or _order_id(deciding, document),
            call.user_id,
            call.sku,
            call.quantity,
            call.amount_cents,
            call.transaction_id,
            self.connection_wait_ns,
            self.breakdown,
            worker,
            self.first_ns,
        )
        return Answer(op, document)


def _check_numbers(call: Call) -> None:
    """Raise ConfigError for what is no whole number, or too large for the record (64 bits)."""
    for value in (call.quantity, call.amount_cents):
        if value.__class__ is not int or not -MOST <= value <= MOST:
            raise ConfigError(
                f"{call.kind} has the quantity {call.quantity!r} and the amount {call.amount_cents!r}: whole "
                "numbers of 64 bits are wanted"
            )


def _never_sent(now_ns: int) -> Attempt:
    return Attempt(NOT_SENT, now_ns, 0, FAIL, "not_sent")


def _order_id(deciding: Attempt, document: Mapping[str, Any]) -> str:
    return str(document.get("order_id", "")) if deciding.outcome is OK else ""
