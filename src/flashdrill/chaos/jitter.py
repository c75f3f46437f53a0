"""Answers that arrive sooner or later."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Reading, Seen
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.proof import BASELINE_S, Baseline, Comparison, measure_baseline
from flashdrill.chaos.toxic import COMMON, ToxicFault, milliseconds

AT_ONCE = 8
LEAST_ROUNDS = 2
SPREAD_SHARE = 0.5
"""Of the spread that even delays have (half of them lie within the jitter), so much must be seen."""
TIMES_USUAL = 3.0
"""By how much the canaries must differ more than before, and more than those past the proxy do now."""


@dataclass(frozen=True, slots=True)
class Usual(Baseline):
    """With by how much canaries through the proxy differed."""

    spread_s: float


@dataclass(slots=True)
class _Waits:
    """How long canaries took through the proxy and past it, in seconds, by rounds of several at once."""

    path: list[list[float]] = field(default_factory=list)
    direct: list[list[float]] = field(default_factory=list)


class Jitter(ToxicFault):
    """Delays each chunk by a time of its own, evenly spread over `latency` ± `jitter`.

    Connections overtake each other, and what waits for the slowest of several waits long. Seen when the middle half
    of at least 16 canaries differs by at least half of `jitter`, three times as much as before and as past the proxy.
    """

    kind = "jitter"
    slows = True
    toxic = "latency"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "jitter": Parameter(
            "duration", description="the delay varies by this much either way", unit="s"
        ),
        "latency": Parameter("duration", 0.0, "the mean delay; 0s: as long as the jitter", "s"),
        **COMMON,
    }

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """Milliseconds."""
        return {
            "latency": milliseconds(parameters["latency"] or parameters["jitter"]),
            "jitter": milliseconds(parameters["jitter"]),
        }

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """The longest one."""
        return float((parameters["latency"] or parameters["jitter"]) + parameters["jitter"])

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """One canary shows no spread."""
        return False

    async def baseline(self, ctx: FaultContext) -> Usual:
        """The canaries' times, and by how much they differ."""
        quickest = await measure_baseline(ctx, self._look(ctx), CANARY_TIMEOUT_S)
        waits = _Waits()
        deadline = asyncio.get_running_loop().time() + BASELINE_S
        while not _is_enough(waits) and asyncio.get_running_loop().time() < deadline:
            await self._round(ctx, waits, CANARY_TIMEOUT_S)
        return Usual(quickest.path, quickest.direct, spread_s(waits.path))

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until they differ as much as they must."""
        assert isinstance(baseline, Usual)
        if not baseline.path.is_answered:
            reason = f"no canary was answered before the fault ({baseline.path.seen})"
            return Evidence(False, {"reason": reason})
        now = asyncio.get_running_loop().time
        began, waits = now(), _Waits()
        patience_s = self.patience_s(ctx, baseline)
        is_seen = False
        while not is_seen and (left_s := began + ctx.observe_s - now()) > 0:
            await self._round(ctx, waits, min(patience_s, left_s))
            is_seen = _is_enough(waits) and is_spread(
                ctx.parameters["jitter"], waits.path, waits.direct, baseline.spread_s
            )
        every = [wait_s for together in waits.path for wait_s in together]
        found = {
            "canaries": len(every),
            "spread_before_ms": _ms(baseline.spread_s),
            "spread_ms": _ms(spread_s(waits.path)),
            "spread_direct_ms": _ms(spread_s(waits.direct)),
            "quickest_ms": _ms(min(every, default=0.0)),
            "slowest_ms": _ms(max(every, default=0.0)),
            "observed_after_s": round(now() - began, 3),
        }
        reasons = {} if is_seen else {"reason": "the canaries differ no more than usual"}
        return Evidence(is_seen, {**reasons, **found})

    async def _round(self, ctx: FaultContext, waits: _Waits, within_s: float) -> None:
        """As many past the proxy as through it, at the same time."""
        listen, upstream = ctx.target.listen, ctx.target.upstream
        readings = await asyncio.gather(
            *(self.look(ctx, listen, within_s) for _ in range(AT_ONCE)),
            *(self.look(ctx, upstream, within_s) for _ in range(AT_ONCE)),
        )
        waits.path.append(_waits_of(readings[:AT_ONCE]))
        waits.direct.append(_waits_of(readings[AT_ONCE:]))


def is_spread(
    jitter_s: float,
    path: Sequence[Sequence[float]],
    direct: Sequence[Sequence[float]],
    usual_s: float,
) -> bool:
    """Whether times through the proxy differ as much as a jitter makes them, and others do not (both by rounds)."""
    seen_s = spread_s(path)
    return seen_s >= SPREAD_SHARE * jitter_s and seen_s >= TIMES_USUAL * max(
        usual_s, spread_s(direct)
    )


def spread_s(rounds: Sequence[Sequence[float]]) -> float:
    """By how much the middle half of the times differs from the median of their round.

    One straggler does not count, and neither does a moment at which a whole round was slow.
    """
    apart = [wait_s - statistics.median(together) for together in rounds for wait_s in together]
    if len(apart) < 2:
        return 0.0
    lower, _, upper = statistics.quantiles(apart, n=4, method="inclusive")
    return upper - lower


def _waits_of(readings: Sequence[Reading]) -> list[float]:
    """A canary that was not answered in time waited at least as long as it did."""
    return [r.waited_s for r in readings if r.seen in {Seen.ANSWERED, Seen.SILENT}]


def _is_enough(waits: _Waits) -> bool:
    return len(waits.path) >= LEAST_ROUNDS


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
