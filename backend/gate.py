"""The gate: Redis decides who may go on to the database, which stays the authority on stock.

    reserve ──> reserved ──> settle (the order is recorded)
       │            ├──────> let go: refused (units back), unknown or queued (kept until it is known)
       │            └──────> swept, when nothing refers to it any more (sweep.py)
       └──> what the key's first attempt came to, or a refusal

Counters are kept per product and shard slice, under one epoch per shard: without it the shard's counters are gone,
and the gate stays closed until they are rebuilt (rebuild.py). Keys, for shard N:

    fd:N:epoch · fd:N:stock {sku: units} · fd:N:bought {user|sku: units} · fd:N:pending {uid: last used}
    fd:price {sku: cents} · fd:order:UID {state body user lines epoch holders | order_no answer}
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backend.clock import Clock
from backend.deadline import Deadline
from backend.errors import GateUnavailableError
from backend.orders import Line, NewOrder, Placement, Result
from backend.redis_store import RedisStore
from backend.settings import Settings

MARKER_KEPT_S = 86_400
PRICES = "fd:price"

How = Literal["refused", "unknown", "queued"]
_LUA = Path(__file__).with_name("lua")


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's answer: `reserved` and `joined` may go on, with `lines` at their prices.

    `placed`, `compensated`, `queued`: this key was answered before, with `order_no` and the HTTP status `answer`.
    `key_conflict`, `unknown_sku`, `sold_out`, `purchase_limit`, `amount`: refused, `detail` says what about.
    """

    kind: str
    lines: tuple[Line, ...] = ()
    order_no: str = ""
    answer: int = 0
    detail: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether a reservation is held, which has to be settled or let go."""
        return self.kind in ("reserved", "joined")


@dataclass(slots=True)
class Slice:
    """What this process knows of one shard's part of the gate."""

    number: int
    is_closed: bool = False  # no admission while the counters are being rebuilt
    doubted: asyncio.Event = field(default_factory=asyncio.Event)  # counters missing or wrong
    in_flight: int = 0  # requests that hold a reservation
    in_doubt: dict[bytes, NewOrder] = field(
        default_factory=dict
    )  # may have been written, nobody knows

    @property
    def is_open(self) -> bool:
        """Whether orders are admitted."""
        return not (self.is_closed or self.doubted.is_set())

    def key(self, name: str) -> str:
        """A key of this slice."""
        return f"fd:{self.number}:{name}"


def marker(uid: bytes) -> str:
    """The key under which an order is known to the gate."""
    return f"fd:order:{uid.hex()}"


class Gate:
    """Reservations in Redis. Every method raises GateUnavailableError when Redis does not answer."""

    def __init__(self, store: RedisStore, clock: Clock, settings: Settings) -> None:
        self.store = store
        self.slices = [Slice(number) for number in range(len(settings.shards))]
        self._clock = clock
        self._purchase_limit = settings.purchase_limit
        self._checks_stock = int(settings.defect != "oversell")
        self._reserve = store.script((_LUA / "reserve.lua").read_text())
        self._settle = store.script((_LUA / "settle.lua").read_text())
        self._let_go = store.script((_LUA / "let_go.lua").read_text())

    async def reserve(
        self, shard: int, order: NewOrder, wanted: Iterable[tuple[str, int]], deadline: Deadline
    ) -> Admission:
        """Ask for all of (sku, quantity) or nothing. The order's lines need not be known yet.

        When it raises, a reservation may have been left behind; nothing refers to it, and it is swept.
        """
        part = self.slices[shard]
        if not part.is_open:
            raise GateUnavailableError(f"the counters of shard{shard} are being rebuilt")
        head = (self._clock.now(), order.uid.hex(), order.body_hash.hex(), order.user_id)
        tail = (order.amount_cents, self._purchase_limit, self._checks_stock)
        keys = [*_keys(part, order.uid), PRICES]
        arguments = [*head, *tail, *(value for pair in wanted for value in pair)]
        answer = await self.store.run(
            lambda redis: self._reserve(keys, arguments, client=redis), deadline
        )
        admission = _admission(answer)
        if admission.kind == "unloaded":
            part.doubted.set()
            raise GateUnavailableError(f"the counters of shard{shard} are gone")
        return admission

    async def settle(
        self,
        shard: int,
        uid: bytes,
        placement: Placement,
        deadline: Deadline,
        *,
        body_hash: bytes = b"",
        is_fresh: bool = False,
    ) -> None:
        """The order is recorded: its reservation ends.

        `is_fresh`: it was made for this very attempt. Without a `body_hash` that of the reservation is kept.
        """
        part = self.slices[shard]
        part.in_doubt.pop(uid, None)
        is_repeat = placement.result is Result.REPEAT
        gives_back = "if-alone" if is_repeat and is_fresh else "never"
        if placement.state == "compensated":
            gives_back = "always"
        answer = 202 if placement.was_queued or placement.state == "compensated" else 201
        arguments = [
            uid.hex(),
            placement.state,
            placement.order_no,
            answer,
            body_hash.hex(),
            MARKER_KEPT_S,
            gives_back,
        ]
        keys = _keys(part, uid)
        await self.store.run(lambda redis: self._settle(keys, arguments, client=redis), deadline)

    async def let_go(self, shard: int, order: NewOrder, how: How, deadline: Deadline) -> None:
        """An attempt is over without a recorded order: it wrote nothing, or nobody knows, or it is queued."""
        part = self.slices[shard]
        if how == "unknown":
            part.in_doubt[order.uid] = order
        elif how == "queued":
            part.in_doubt.pop(order.uid, None)
        keys, arguments = _keys(part, order.uid), [order.uid.hex(), how, 0]
        await self.store.run(lambda redis: self._let_go(keys, arguments, client=redis), deadline)

    async def expire(
        self, shard: int, uid: bytes, not_used_since: float, deadline: Deadline
    ) -> bool:
        """Give back what a reservation holds, unless it was used since. Whether it was given back."""
        part = self.slices[shard]
        keys, arguments = _keys(part, uid), [uid.hex(), "expired", not_used_since]
        answer = await self.store.run(
            lambda redis: self._let_go(keys, arguments, client=redis), deadline
        )
        if answer:
            part.in_doubt.pop(uid, None)
        return bool(answer)

    async def pending(
        self, shard: int, not_used_since: float, limit: int, deadline: Deadline
    ) -> list[bytes]:
        """The reservations that nobody has used since then, oldest first."""
        key = self.slices[shard].key("pending")
        found: list[Any] = await self.store.run(
            lambda redis: redis.zrangebyscore(key, "-inf", not_used_since, start=0, num=limit),
            deadline,
        )
        return [bytes.fromhex(uid.decode()) for uid in found]

    def doubt(self, shard: int) -> None:
        """The shard has less than the gate believes: close it until the counters are rebuilt."""
        if self._checks_stock:
            self.slices[shard].doubted.set()

    async def has_counters(self, shard: int, deadline: Deadline) -> bool:
        """Whether the shard's counters are there."""
        key = self.slices[shard].key("epoch")
        return bool(await self.store.run(lambda redis: redis.exists(key), deadline))

    async def product(self, sku: str, deadline: Deadline) -> tuple[int, int] | None:
        """(units available over all shards, price in cents), or None for an unknown product."""

        async def ask(redis: Any) -> list[Any]:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hget(PRICES, sku)
                for part in self.slices:
                    pipe.hget(part.key("stock"), sku)
                return list(await pipe.execute())

        price, *units = await self.store.run(ask, deadline)
        if price is not None:
            return sum(max(0, int(count or 0)) for count in units), int(price)
        if not await self.has_counters(0, deadline):
            self.slices[0].doubted.set()
            raise GateUnavailableError("the counters of shard0 are gone")
        return None


def _keys(part: Slice, uid: bytes) -> list[str]:
    return [
        part.key("epoch"),
        part.key("stock"),
        part.key("pending"),
        marker(uid),
        part.key("bought"),
    ]


def parse_lines(text: str) -> tuple[Line, ...]:
    """Lines as a marker keeps them: `sku=quantity=cents;...`."""
    parts = (line.split("=") for line in text.split(";") if line)
    return tuple(Line(sku, int(quantity), int(price)) for sku, quantity, price in parts)


def format_lines(lines: Iterable[Line]) -> str:
    """The inverse of parse_lines."""
    return ";".join(f"{line.sku}={line.quantity}={line.unit_price_cents}" for line in lines)


def _admission(answer: list[bytes]) -> Admission:
    kind, *rest = [part.decode() for part in answer]
    if kind in ("reserved", "joined"):
        return Admission(kind, lines=parse_lines(rest[0]))
    if kind in ("placed", "compensated", "queued"):
        return Admission(kind, order_no=rest[0], answer=int(rest[1] or 202))
    return Admission(kind, detail=rest[0] if rest else "")
