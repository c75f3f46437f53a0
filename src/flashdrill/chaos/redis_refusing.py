"""What the faults have in common in which a Redis answers, and takes no write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.redis_session import RedisSession, key_of, redis_session, undoing
from flashdrill.errors import StackError

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Before:
    """A server before it refused: its settings, how many keys it held, and whether it took a write (empty: yes)."""

    settings: dict[str, str]
    keys: int
    refusal: str


class RedisRefusing(Fault):
    """A Redis that refuses writes with an error of its own while reads go on. Subclasses say how."""

    target_kinds = frozenset({"redis"})
    code: ClassVar[str]
    """The first word of the error that a write gets."""
    settings: ClassVar[Mapping[str, str]]
    """What is set, in this order; what it was is set again in the opposite order."""
    strikes: ClassVar[Sequence[Sequence[str]]] = ()
    """Commands after the settings."""
    amends: ClassVar[Sequence[Sequence[str]]] = ()
    """Commands that undo those, before the settings are as they were."""

    def __init__(self) -> None:
        self._before: Before | None = None
        self._is_injected = False

    async def baseline(self, ctx: FaultContext) -> Before:
        """Its settings, and whether it takes a write. Raises StackError."""
        async with redis_session(ctx) as redis:
            await self.check(ctx, redis)
            self._before = Before(
                await self._settings(redis),
                await redis.keys(),
                await redis.refusal_of_a_write(key_of(ctx)),
            )
        return self._before

    async def check(self, ctx: FaultContext, redis: RedisSession) -> None:
        """Raise StackError for a server to which this must not be done."""

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Its settings as they were. Raises StackError when they are not known, or when it refuses writes as it is:
        another fault may be in force, and what that one set would be set again at the end."""
        if self._before and self._before.refusal:
            raise StackError(f"{ctx.target.name} takes no write as it is: {self._before.refusal}")
        return undoing(ctx, self._amends())

    async def inject(self, ctx: FaultContext) -> None:
        """Set the settings. Raises StackError."""
        async with redis_session(ctx) as redis:
            for name, value in self.settings.items():
                await redis.set(name, value)
            for words in self.strikes:
                await redis.ask(*words)
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: Before) -> Evidence:
        """Until a write is refused, and a read is answered."""
        now = asyncio.get_running_loop().time
        began = now()
        async with redis_session(ctx) as redis:
            while True:
                refusal = await redis.refusal_of_a_write(key_of(ctx))
                if refusal == self.code or now() - began > ctx.observe_s:
                    break
                await asyncio.sleep(POLL_S)
            await redis.ask("GET", key_of(ctx))  # an answer, or an error that ends the observation
            keys = await redis.keys()
        found = {
            "write_before": baseline.refusal or "taken",
            "write_during": refusal or "taken",
            "read_during": "answered",
            "keys_before": baseline.keys,
            "keys_during": keys,
            "observed_after_s": round(now() - began, 3),
        }
        return Evidence(refusal == self.code and not baseline.refusal, found)

    async def heal(self, ctx: FaultContext) -> None:
        """Put everything back; nothing to do when nothing is known of how it was: nothing was changed then."""
        if self._before is None:
            return
        async with redis_session(ctx) as redis:
            if self._is_injected and await redis.refusal_of_a_write(key_of(ctx)) != self.code:
                self.has_ended_early = True
            self._is_injected = False
            for words in self._amends():
                await redis.ask(*words)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """Its settings are as they were, a write is taken, and the data is there."""
        if self._before is None:
            return Evidence(True, {"reason": "nothing was changed"})
        async with redis_session(ctx) as redis:
            settings = await self._settings(redis)
            refusal = await redis.refusal_of_a_write(key_of(ctx))
            keys = await redis.keys()
        found = {"write_after": refusal or "taken", "keys_after": keys}
        if refusal and refusal != self._before.refusal:
            return Evidence(False, {"reason": f"a write is refused with {refusal}", **found})
        if settings != self._before.settings:
            return Evidence(False, {"reason": f"the settings are {settings}", **found})
        if self._before.keys and not keys:
            return Evidence(False, {"reason": "all keys are gone", **found})
        return Evidence(True, found)

    def _amends(self) -> list[list[str]]:
        if self._before is None:
            raise StackError("it is not known how the server was before, so it is left alone")
        olds = reversed(self._before.settings.items())
        return [
            *(list(words) for words in self.amends),
            *(["CONFIG", "SET", name, value] for name, value in olds),
        ]

    async def _settings(self, redis: RedisSession) -> dict[str, str]:
        return {name: await redis.setting(name) for name in self.settings}
