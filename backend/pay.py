"""Payment callbacks: signed, delivered any number of times, each order paid once.

    signature ─> waits in the queue? come again ─> lock on the order (Redis, when it answers) ─> pay_order

The lock spares the database concurrent deliveries; what pays an order once is the compare-and-set in pay_order.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from typing import Any

from backend.clock import Clock
from backend.deadline import Deadline
from backend.errands import Errands
from backend.errors import GateUnavailableError, PaymentBusyError, RefusedError
from backend.identity import parse_order_id
from backend.lanes import Lane
from backend.meters import Meter
from backend.payloads import CallbackRequest
from backend.redis_store import RedisStore
from backend.settings import Settings
from backend.shards import Shards

TIMESTAMP_HEADER = "X-Timestamp"
SIGNATURE_HEADER = "X-Signature"
_POLL_S = 0.02
_UNLOCK = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
REFUSALS = {
    "not_found": ("not-found", "there is no such order", 404),
    "amount_mismatch": ("amount-mismatch", "the amount is not the order's", 409),
    "other_transaction": ("other-transaction", "order and transaction do not belong together", 409),
    "not_payable": ("not-payable", "the order is not waiting for a payment: refund it", 409),
}


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over `timestamp.body`."""
    message = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def check_signature(
    secret: str,
    timestamp: str | None,
    given: str | None,
    body: bytes,
    *,
    now_s: float,
    age_s: float,
) -> None:
    """Raises RefusedError (401) for a callback that is unsigned, wrongly signed, or older than `age_s`."""
    if not timestamp or not given:
        raise RefusedError(
            "unauthorized", f"{TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are required", 401
        )
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise RefusedError("unauthorized", f"{TIMESTAMP_HEADER} is not a time in unix seconds", 401)
    expected = signature(secret, timestamp, body)
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
        raise RefusedError("unauthorized", "the signature does not fit", 401)
    if abs(now_s - int(timestamp)) > age_s:
        raise RefusedError("unauthorized", "the callback is too old", 401)


class PayOrder:
    """The use case. `pay` raises ServiceError or BreakerOpenError."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        shards: Shards,
        store: RedisStore,
        lanes: list[Lane],
        errands: Errands,
        requests: Meter,
    ) -> None:
        self._settings = settings
        self._lock_ms = max(1, int(clock.real_s(settings.payment_lock_s) * 1000))
        self._shards = shards
        self._store = store
        self._lanes = lanes
        self._errands = errands
        self._requests = requests
        self._unlock = store.script(_UNLOCK)

    async def pay(self, callback: CallbackRequest, deadline: Deadline) -> str:
        """`paid` for the first delivery, `repeat` for every other one of the same transaction."""
        place = parse_order_id(callback.out_trade_no)
        if place is None:
            raise _refusal("not_found")
        uid, bucket = place
        shard = self._settings.shard_of(bucket)
        if self._lanes[shard].waiting(uid) is not None:
            raise RefusedError(
                "order-still-queued", "the order is not recorded yet: come again", 503
            )
        with self._requests.inner():
            return await self._errands.finish(
                self._locked(shard, uid, callback, deadline), deadline
            )

    async def _locked(
        self, shard: int, uid: bytes, callback: CallbackRequest, deadline: Deadline
    ) -> str:
        key, token = f"fd:pay:{callback.out_trade_no}", os.urandom(8).hex()
        has_lock = await self._lock(key, token, deadline)
        try:
            answer = await self._shards.pay(
                shard,
                uid,
                callback.transaction_id,
                callback.amount_cents,
                callback.paid_at,
                deadline,
            )
        finally:
            if has_lock:
                await self._release(key, token)
        if answer in REFUSALS:
            raise _refusal(answer)
        return answer

    async def _lock(self, key: str, token: str, deadline: Deadline) -> bool:
        """Whether the lock is held: not when Redis does not answer. PaymentBusyError when another holds it on."""

        async def ask(redis: Any) -> bool:
            return bool(await redis.set(key, token, nx=True, px=self._lock_ms))

        patience = Deadline.after(deadline.at_most(self._settings.lock_wait_s))
        try:
            while not await self._store.run(ask, deadline):
                if not patience.left_s():
                    raise PaymentBusyError("another callback for this order is at work")
                await asyncio.sleep(_POLL_S)
        except GateUnavailableError:
            return False
        return True

    async def _release(self, key: str, token: str) -> None:
        try:
            limit = Deadline.after(self._settings.lock_wait_s)
            await self._store.run(lambda redis: self._unlock([key], [token], client=redis), limit)
        except GateUnavailableError:
            return  # it expires


def _refusal(answer: str) -> RefusedError:
    return RefusedError(*REFUSALS[answer])
