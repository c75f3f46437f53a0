"""Placing an order: identity, gate, then the shard or its queue.

    POST ── uid ── waits in the lane? ──yes──> 202
                     │ no
                   gate ──refused / answered before──> the same answer again
                     │ reserved, or joined to what an earlier attempt reserved
                   level 0 and the lane empty? ──yes──> shard ──> 201, 409, or an error
                     │ no                                 └── breaker open: level ≥ 1 now? ──> the queue
                   queue ──> 202

What follows the reservation runs in a task of its own: a customer who hangs up, or a deadline that passes, does not
stop a write that was handed over, and its reservation is settled when it ends.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

import msgspec

from backend.breakers import BreakerOpenError
from backend.deadline import Deadline
from backend.defects import ForgottenKeys
from backend.errands import Errands
from backend.errors import (
    DeadlineError,
    GateUnavailableError,
    PoisonError,
    RefusedError,
    ServiceError,
)
from backend.gate import Admission, Gate, How
from backend.identity import bucket_of, order_id
from backend.lanes import Lane
from backend.levels import DegradationController
from backend.meters import Meter
from backend.orders import NewOrder, Placement, Result
from backend.payloads import OrderRequest
from backend.settings import Settings
from backend.shard import MIN_STATEMENT_S
from backend.shards import Shards

LOG = logging.getLogger("backend.place")
SETTLE_S = 0.1
"""Settling a reservation may take so long, even if the deadline has passed: the outcome is known by then."""

REFUSALS = {
    "key_conflict": ("key-reuse", "the idempotency key was used with another order", 422),
    "unknown_sku": ("validation", "there is no product {}", 422),
    "amount": ("validation", "amount_cents should be {}", 422),
    "sold_out": ("sold-out", "not enough of {} is left", 409),
    "purchase_limit": ("purchase-limit", "nobody may buy so many of {}", 409),
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order is recorded (201), or durably queued (202)."""

    http_status: int
    order_id: str
    status: str
    order_no: str = ""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt that holds a reservation. `is_fresh`: the reservation was made for it."""

    shard: int
    order: NewOrder
    is_fresh: bool
    deadline: Deadline


class PlaceOrder:
    """The use case. `place` raises ServiceError or BreakerOpenError; business refusals are RefusedError."""

    def __init__(
        self,
        *,
        settings: Settings,
        shards: Shards,
        gate: Gate,
        lanes: list[Lane],
        levels: DegradationController,
        errands: Errands,
        requests: Meter,
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._gate = gate
        self._lanes = lanes
        self._levels = levels
        self._errands = errands
        self._requests = requests
        self._keys = ForgottenKeys(settings)

    async def place(self, request: OrderRequest, key: str, deadline: Deadline) -> Accepted:
        """Place the order, or answer as the key's first attempt was answered."""
        order = self._identify(request, key)
        shard = self._settings.shard_of(order.bucket)
        entry = self._lanes[shard].waiting(order.uid)
        if entry is not None and entry.is_stored:
            if entry.order.body_hash != order.body_hash:
                raise _refusal(Admission("key_conflict"))
            return _queued(order)
        part = self._gate.slices[shard]
        part.in_flight += 1
        try:
            with self._requests.inner():
                order, admission = await self._admit(shard, order, request, deadline)
        except BaseException:
            part.in_flight -= 1
            raise
        if not admission.goes_on:
            part.in_flight -= 1
            return _answered(order, admission)
        attempt = _Attempt(shard, order, admission.kind == "reserved", deadline)
        with self._requests.inner():
            return await self._errands.finish(self._carry_out(attempt), deadline)

    def _identify(self, request: OrderRequest, key: str) -> NewOrder:
        return NewOrder(
            uid=self._keys.identity(request.channel, request.user_id, key),
            bucket=bucket_of(request.user_id),
            channel=request.channel,
            user_id=request.user_id,
            key=key,
            body_hash=hashlib.sha256(msgspec.json.encode(request)).digest()[:16],
            amount_cents=request.amount_cents,
            lines=(),
        )

    async def _admit(
        self, shard: int, order: NewOrder, request: OrderRequest, deadline: Deadline
    ) -> tuple[NewOrder, Admission]:
        """The gate's answer, and the order with the prices of the moment."""
        wanted = [(line.sku, line.quantity) for line in request.lines]
        admission = await self._gate.reserve(shard, order, wanted, deadline)
        if admission.kind == "joined" and self._keys.is_on:
            await self._gate.let_go(shard, order, "refused", deadline)
            uid = self._keys.another(order.channel, order.user_id, order.key)
            order = msgspec.structs.replace(order, uid=uid)
            admission = await self._gate.reserve(shard, order, wanted, deadline)
        return msgspec.structs.replace(order, lines=admission.lines), admission

    async def _carry_out(self, attempt: _Attempt) -> Accepted:
        """Write or queue the order and settle its reservation, whatever happens."""
        try:
            if self._is_diverted(attempt.shard):
                return await self._enqueue(attempt)
            return await self._write(attempt)
        except ServiceError as error:
            self._keys.note(attempt.order.uid, error)
            await self._let_go(attempt, "refused" if error.is_definite else "unknown")
            raise
        except BreakerOpenError:
            await self._let_go(attempt, "refused")
            raise
        finally:
            self._gate.slices[attempt.shard].in_flight -= 1

    def _is_diverted(self, shard: int) -> bool:
        """Whether the shard's orders go to its queue: at level 1, and behind orders that are in it."""
        return self._levels.level(f"shard{shard}") >= 1 or self._lanes[shard].depth > 0

    async def _write(self, attempt: _Attempt) -> Accepted:
        name = f"shard{attempt.shard}"
        if attempt.deadline.left_s() < MIN_STATEMENT_S:
            raise DeadlineError("the gate took the whole time")
        try:
            (placement,) = await self._shards.place_many(
                attempt.shard, [attempt.order], attempt.deadline
            )
        except PoisonError:
            raise
        except (ServiceError, BreakerOpenError) as error:
            self._levels.record(name, ok=False)
            if error.is_definite and self._is_diverted(attempt.shard):
                return await self._enqueue(attempt)
            raise
        self._levels.record(name, ok=True)
        return await self._answer(attempt, placement)

    async def _answer(self, attempt: _Attempt, placement: Placement) -> Accepted:
        if placement.result is Result.SOLD_OUT:
            self._gate.doubt(attempt.shard)  # it believed there was more
            sku = ", ".join(line.sku for line in attempt.order.lines)
            raise _refusal(Admission("sold_out", detail=sku))
        if placement.result is Result.KEY_CONFLICT:
            raise _refusal(Admission("key_conflict"))
        try:
            await self._gate.settle(
                attempt.shard,
                attempt.order.uid,
                placement,
                _grace(attempt.deadline),
                body_hash=attempt.order.body_hash,
                is_fresh=attempt.is_fresh,
            )
        except GateUnavailableError as error:
            LOG.warning(
                "order %s is recorded; the sweep will settle it: %s", placement.order_no, error
            )
        return _recorded(attempt.order, placement)

    async def _enqueue(self, attempt: _Attempt) -> Accepted:
        await self._lanes[attempt.shard].append(attempt.order)
        await self._let_go(attempt, "queued")
        return _queued(attempt.order)

    async def _let_go(self, attempt: _Attempt, how: How) -> None:
        try:
            await self._gate.let_go(attempt.shard, attempt.order, how, _grace(attempt.deadline))
        except GateUnavailableError as error:
            LOG.warning("the sweep will settle a reservation (%s): %s", how, error)


def _grace(deadline: Deadline) -> Deadline:
    return max(deadline, Deadline.after(SETTLE_S), key=lambda limit: limit.at)


def _refusal(admission: Admission) -> RefusedError:
    slug, detail, status = REFUSALS[admission.kind]
    return RefusedError(slug, detail.format(admission.detail), status)


def _answered(order: NewOrder, admission: Admission) -> Accepted:
    """The gate's own answer: a refusal, or what the key's first attempt was told."""
    if admission.kind in REFUSALS:
        raise _refusal(admission)
    if admission.kind == "queued":
        return _queued(order)
    public = order_id(order.uid, order.bucket)
    return Accepted(admission.answer, public, admission.kind, admission.order_no)


def _recorded(order: NewOrder, placement: Placement) -> Accepted:
    first_was_202 = placement.was_queued or placement.state != "placed"
    public = order_id(order.uid, order.bucket)
    return Accepted(202 if first_was_202 else 201, public, placement.state, placement.order_no)


def _queued(order: NewOrder) -> Accepted:
    return Accepted(202, order_id(order.uid, order.bucket), "queued")
