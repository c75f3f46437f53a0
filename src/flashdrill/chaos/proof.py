"""The proof of an effect: canaries through the proxy beside one past it, before the fault and during it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flashdrill.chaos.canary import Reading
from flashdrill.chaos.fault import Evidence, FaultContext
from flashdrill.chaos.target import Address

BASELINE_CANARIES = 3
BASELINE_S = 0.5
"""No further canary after that: the fault is due."""
BETWEEN_ROUNDS_S = 0.1
ROOM = 4.0
"""Two rounds on end are asked for when an observation may take this many times what a round should take."""
KEPT_READINGS = 6
RISE_SHARE = 0.7
"""The part of an injected delay that must be seen: timers and jitter take some of it."""

Look = Callable[[Address, float], Awaitable[Reading]]
"""A canary to an address, within some seconds."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The quickest canaries before the fault, through the proxy and past it."""

    path: Reading
    direct: Reading


@dataclass(frozen=True, slots=True)
class Comparison:
    """One canary through the proxy during the fault, the one past it at the same moment, and the baseline."""

    reading: Reading
    control: Reading
    baseline: Baseline

    def rise_s(self) -> float:
        """How much longer it took than before, and than it takes now without the proxy."""
        usual_s = max(self.baseline.path.waited_s, self.control.waited_s)
        return self.reading.waited_s - usual_s


Shows = Callable[[Comparison], bool]


async def measure_baseline(ctx: FaultContext, look: Look, patience_s: float) -> Baseline:
    """Look at both sides of the proxy a few times while nothing is broken."""
    now = asyncio.get_running_loop().time
    deadline = now() + BASELINE_S
    path, direct = [], []
    for _ in range(BASELINE_CANARIES):
        readings = await asyncio.gather(
            look(ctx.target.listen, patience_s), look(ctx.target.upstream, patience_s)
        )
        path.append(readings[0])
        direct.append(readings[1])
        if not readings[0].is_answered or now() > deadline:
            break
    return Baseline(_quickest(path), _quickest(direct))


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for an effect.

    `patience_s` bounds a canary, `expected_s` is what it should take under the effect.
    A round is `canaries` through the proxy at once and one past it. With `is_every` the effect is seen
    when all canaries of a round show it, in two rounds on end if there is time for that; else when one does.
    """

    look: Look
    shows: Shows
    patience_s: float
    expected_s: float
    canaries: int = 3
    is_every: bool = True

    async def run(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Look until the effect is seen or the time is up."""
        notes: dict[str, Any] = {
            "baseline_ms": _ms(baseline.path),
            "baseline_direct_ms": _ms(baseline.direct),
        }
        if not baseline.path.is_answered:
            reason = f"no canary was answered before the fault ({baseline.path.seen})"
            return Evidence(False, {**notes, "reason": reason})
        return await self._rounds(ctx, baseline, notes)

    async def _rounds(
        self, ctx: FaultContext, baseline: Baseline, notes: dict[str, Any]
    ) -> Evidence:
        now = asyncio.get_running_loop().time
        began = now()
        deadline = began + ctx.observe_s
        wanted = 2 if self.is_every and ctx.observe_s > ROOM * self.expected_s else 1
        streak = rounds = 0
        comparisons: list[Comparison] = []
        while streak < wanted and (left_s := deadline - now()) > 0:
            if comparisons and not streak:
                await asyncio.sleep(min(BETWEEN_ROUNDS_S, left_s))
            comparisons = await self._round(ctx, baseline, min(self.patience_s, left_s))
            rounds += 1
            streak = streak + 1 if self._is_shown(comparisons) else 0
        is_seen = streak >= wanted
        return Evidence(
            is_seen,
            {
                **({} if is_seen else {"reason": f"not seen by {rounds} rounds of canaries"}),
                **notes,
                **_described(comparisons),
                "rounds": rounds,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def _round(
        self, ctx: FaultContext, baseline: Baseline, within_s: float
    ) -> list[Comparison]:
        control, *readings = await asyncio.gather(
            self.look(ctx.target.upstream, within_s),
            *(self.look(ctx.target.listen, within_s) for _ in range(self.canaries)),
        )
        return [Comparison(reading, control, baseline) for reading in readings]

    def _is_shown(self, comparisons: Sequence[Comparison]) -> bool:
        shown = [self.shows(comparison) for comparison in comparisons]
        return all(shown) if self.is_every else any(shown)


async def until_gone(
    ctx: FaultContext, look: Look, is_whole: Callable[[Reading], bool], patience_s: float
) -> Reading:
    """Canaries through the proxy until one is whole again; the last one when another fault is in force."""
    while True:
        reading = await look(ctx.target.listen, patience_s)
        if is_whole(reading) or ctx.others_in_force():
            return reading
        await asyncio.sleep(BETWEEN_ROUNDS_S)


def _quickest(readings: Sequence[Reading]) -> Reading:
    answered = [reading for reading in readings if reading.is_answered]
    return min(answered, key=lambda r: r.waited_s) if answered else readings[-1]


def _described(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The last round, for the record."""
    if not comparisons:
        return {}
    readings = [comparison.reading for comparison in comparisons[:KEPT_READINGS]]
    control = comparisons[0].control
    return {
        "during": [str(reading.seen) for reading in readings],
        "during_ms": [_ms(reading) for reading in readings],
        "during_direct": str(control.seen),
        "during_direct_ms": _ms(control),
    }


def _ms(reading: Reading) -> float:
    return round(reading.waited_s * 1000, 3)
