"""Connections whose other side is gone, and nobody was told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Reading, Seen
from flashdrill.chaos.edge_rule import EdgeFault, counted
from flashdrill.chaos.fault import Evidence, FaultContext
from flashdrill.chaos.held import Held
from flashdrill.chaos.proof import BETWEEN_ROUNDS_S, Baseline, Comparison
from flashdrill.chaos.timeout import silence_s

SILENT_SHARE = 0.4
"""The part of an observation for which one question may go unanswered."""


class HalfOpen(EdgeFault):
    """Takes the server away from the connections that are open now, without a word.

    What is sent on them is swallowed and nothing comes back, no FIN and no RST; new connections are served. What a
    pool is left with after a failover or a firewall that forgot its state. Seen when a connection that was opened and
    answered before falls silent for ten times its usual wait (0.3 to 2 s), while a new one is answered. When it is
    healed those connections are reset.
    """

    kind = "half_open"
    slows = True
    target_kinds: ClassVar[frozenset[str]] = frozenset({"postgres", "redis", "http"})

    def __init__(self) -> None:
        super().__init__()
        self._held: Held | None = None
        self._held_before: Reading | None = None

    def rule(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The connections of now."""
        return {"action": "half_open"}

    async def baseline(self, ctx: FaultContext) -> Baseline:
        """With a connection that is kept. Raises OSError when there can be none."""
        baseline = await super().baseline(ctx)
        self._held = await Held.open(ctx.target, ctx.target.listen)
        self._held_before = await self._held.ask(CANARY_TIMEOUT_S)
        return baseline

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """The old connection is silent, and a new one is not."""
        return seen.reading.seen is Seen.SILENT and seen.control.is_answered

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Until the old connection is silent beside a new one that is answered."""
        now = asyncio.get_running_loop().time
        began = now()
        wait_s = min(silence_s(baseline), SILENT_SHARE * ctx.observe_s)
        while True:
            old, new = await asyncio.gather(self._ask_held(wait_s), self._ask_anew(ctx))
            is_seen = self.shows(ctx, Comparison(old, new, baseline)) and self._was_answered()
            if is_seen or now() - began + wait_s > ctx.observe_s:
                break
            await asyncio.sleep(BETWEEN_ROUNDS_S)
        found = {
            "old_before": _told(self._held_before),
            "old_connection": _told(old),
            "old_silent_ms": round(old.waited_s * 1000, 3),
            "new_connection": str(new.seen),
            "new_ms": round(new.waited_s * 1000, 3),
            "baseline_ms": round(baseline.path.waited_s * 1000, 3),
            "observed_after_s": round(now() - began, 3),
        }
        reason = {} if is_seen else {"reason": "the old connection did not fall silent"}
        return await counted(ctx, Evidence(is_seen, {**reason, **found}), "connections")

    async def answers_again(self, ctx: FaultContext) -> Evidence:
        """New connections are answered, and the old one is not silent: it was reset."""
        evidence = await super().answers_again(ctx)
        if self._held is None or not evidence.observed:
            return evidence
        old = await self._held.ask(CANARY_TIMEOUT_S)
        if old.seen is Seen.SILENT:
            return Evidence(False, {"reason": "the old connection is still silent"})
        await self._held.close()
        self._held = None
        return replace(evidence, measurements={**evidence.measurements, "old_after": str(old.seen)})

    async def _ask_held(self, timeout_s: float) -> Reading:
        if self._held is None:
            return Reading(Seen.UNREACHABLE, 0.0)
        return await self._held.ask(timeout_s)

    async def _ask_anew(self, ctx: FaultContext) -> Reading:
        return await self.look(ctx, ctx.target.listen, CANARY_TIMEOUT_S)

    def _was_answered(self) -> bool:
        return self._held_before is not None and self._held_before.is_answered


def _told(reading: Reading | None) -> str:
    return "none" if reading is None else str(reading.seen)
