"""A Redis that has lost everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.redis_session import RedisSession, key_of, redis_session

MARKER_KEPT_S = 600
"""The longest that the marker can stay behind."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a server held before: its keys, and how often it had been emptied."""

    keys: int
    flushes: int


class RedisEmptied(Fault):
    """Empties a Redis (FLUSHALL): every key of every database is gone at once, as after a crash without persistence.

    Seen when the server held keys before, a marker key written before is gone, and the server counts one more
    FLUSHALL. What was there is not put back: counters that are no longer true would sell the same unit twice. Healed
    when the server answers and, unless `is_rebuilt` is false, its owner has filled it again.
    """

    kind = "redis_emptied"
    target_kinds = frozenset({"redis"})
    heal_limit_s = 30.0
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "is_rebuilt": Parameter(
            "flag", True, "healed only when its owner has filled it again; false: when it answers"
        ),
        "rebuilt_key": Parameter(
            "text", "", "the key by which that is known, such as fd:0:epoch; empty: any key"
        ),
    }

    def __init__(self) -> None:
        self._before: Holdings | None = None

    async def baseline(self, ctx: FaultContext) -> Holdings:
        """What it holds; leaves a marker key, which expires."""
        async with redis_session(ctx) as redis:
            self._before = Holdings(await redis.keys(), await _flushes(redis))
            await redis.ask("SET", key_of(ctx), "marker", "EX", MARKER_KEPT_S)
        return self._before

    async def inject(self, ctx: FaultContext) -> None:
        """Empty it, and wait until it is empty. Raises StackError."""
        async with redis_session(ctx) as redis:
            await redis.ask("FLUSHALL", "SYNC")

    async def observe(self, ctx: FaultContext, baseline: Holdings) -> Evidence:
        """Look at once: the owner may fill it again at any moment."""
        async with redis_session(ctx) as redis:
            is_marked = bool(await redis.ask("EXISTS", key_of(ctx)))
            keys, flushes = await redis.keys(), await _flushes(redis)
        found = {
            "keys_before": baseline.keys,
            "keys_after": keys,
            "marker_left": is_marked,
            "flushes": flushes - baseline.flushes,
        }
        if not baseline.keys:
            return Evidence(False, {"reason": "it held nothing before", **found})
        return Evidence(not is_marked and flushes > baseline.flushes, found)

    async def heal(self, ctx: FaultContext) -> None:
        """Nothing is put back; only the marker of a fault that did not happen is removed."""
        async with redis_session(ctx) as redis:
            await redis.ask("DEL", key_of(ctx))

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """It answers, and is filled again where that is asked for."""
        held = self._before is not None and self._before.keys > 0
        async with redis_session(ctx) as redis:
            keys, is_filled = await redis.keys(), await _is_filled(ctx, redis)
        found = {"keys": keys, "is_filled": is_filled}
        if held and ctx.parameters["is_rebuilt"] and not is_filled:
            return Evidence(False, {"reason": "its owner has not filled it again", **found})
        return Evidence(True, found)


async def _is_filled(ctx: FaultContext, redis: RedisSession) -> bool:
    wanted = ctx.parameters["rebuilt_key"]
    return bool(await redis.ask("EXISTS", wanted)) if wanted else await redis.keys() > 0


async def _flushes(redis: RedisSession) -> int:
    """How often the server was told to empty itself since it started."""
    count = (await redis.info("commandstats")).get("cmdstat_flushall")
    return int(count["calls"]) if isinstance(count, dict) else 0
