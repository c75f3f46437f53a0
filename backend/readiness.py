"""Whether orders can be taken now, and on what."""

from __future__ import annotations

import asyncio

from backend.answers import ReadinessReport, ShardState
from backend.breakers import BreakerOpenError
from backend.deadline import Deadline
from backend.errors import ServiceError
from backend.gate import Gate
from backend.lanes import Lane
from backend.levels import DegradationController
from backend.shards import Shards

ASK_S = 0.4


class Readiness:
    """Asks every dependency, briefly and at once."""

    def __init__(
        self, *, shards: Shards, gate: Gate, lanes: list[Lane], levels: DegradationController
    ) -> None:
        self._shards = shards
        self._gate = gate
        self._lanes = lanes
        self._levels = levels

    async def report(self) -> ReadinessReport:
        """`ready` when Redis answers and at least one shard does; the others' orders are refused or queued."""
        numbers = range(len(self._shards))
        redis, *shards = await asyncio.gather(self._redis(), *(self._shard(n) for n in numbers))
        states = {f"shard{n}": self._state(n, is_usable=shards[n]) for n in numbers}
        return ReadinessReport(ready=redis and any(shards), redis=redis, shards=states)

    def _state(self, number: int, *, is_usable: bool) -> ShardState:
        return ShardState(
            usable=is_usable,
            breaker=self._shards[number].breaker.state,
            level=self._levels.level(f"shard{number}"),
            queued=self._lanes[number].depth,
        )

    async def _redis(self) -> bool:
        try:
            await self._gate.has_counters(0, Deadline.after(ASK_S))
        except ServiceError:
            return False
        return any(part.is_open for part in self._gate.slices)

    async def _shard(self, number: int) -> bool:
        try:
            await self._shards.probe(number, Deadline.after(ASK_S))
        except (ServiceError, BreakerOpenError):
            return False
        return True
