"""What the edge's faults have in common: a rule with a name of its own, proven by canaries on its path.

canary ── edge (the rule) ── Toxiproxy ── server ── canary past both
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flashdrill.chaos import canary
from flashdrill.chaos.canary import Reading
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.proof import Baseline, Comparison, Search, measure_baseline
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import path_answers
from flashdrill.edge.client import Edge
from flashdrill.errors import ConfigError, StackError

EDGE_GONE = "the edge is gone, and its rules with it"
NOT_APPLIED = "the edge counts no request that the rule was applied to"
RULE_LEFT = "the rule is still there"


class EdgeFault(Fault):
    """A rule of the edge. Subclasses say which one, and how a canary shows it."""

    target_kinds: ClassVar[frozenset[str]] = frozenset({"tcp", "postgres", "redis", "http"})
    needs: ClassVar[frozenset[str]] = frozenset({"edge"})

    def __init__(self) -> None:
        self._is_injected = False

    @abstractmethod
    def rule(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The rule's action and the keys that belong to it. Raises ConfigError for what cannot be."""

    @abstractmethod
    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """Whether a canary shows the effect."""

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """One canary."""
        return await canary.ask(ctx.target, address, timeout_s)

    async def baseline(self, ctx: FaultContext) -> Baseline:
        """The path's and the server's own answers."""
        return await measure_baseline(ctx, self._look(ctx), canary.CANARY_TIMEOUT_S)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The rule's place. Raises ConfigError for parameters that cannot be."""
        self.body(ctx)
        return {"type": "edge_rule", "api": edge_of(ctx).url, "rule": rule_name(ctx)}

    def body(self, ctx: FaultContext) -> dict[str, Any]:
        """The whole rule. Raises ConfigError with the fault's id, StackError when the target is not behind the edge."""
        if not ctx.target.way:
            raise StackError(f"{ctx.target.name} is not behind the edge")
        try:
            rule = self.rule(ctx.parameters)
        except ConfigError as error:
            message = f"fault {ctx.planned.id!r}: {error.message}"
            raise ConfigError(message, remedy=error.remedy) from error
        return {"way": ctx.target.way, "seed": ctx.seed, **rule}

    async def inject(self, ctx: FaultContext) -> None:
        """Give the edge its rule. Raises EdgeError."""
        await edge_of(ctx).put(rule_name(ctx), self.body(ctx))
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until the effect is seen."""
        return await self.search(ctx, baseline).run(ctx, baseline)

    def search(self, ctx: FaultContext, baseline: Baseline) -> Search:
        """How its effect is looked for."""
        return Search(
            look=self._look(ctx),
            shows=lambda seen: self.shows(ctx, seen),
            patience_s=canary.CANARY_TIMEOUT_S,
            expected_s=baseline.path.waited_s + 0.05,
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Remove the rule. An edge that is gone took its rules with it."""
        was_there = not await edge_is_gone(ctx) and await edge_of(ctx).remove(rule_name(ctx))
        if self._is_injected and not was_there:
            self.has_ended_early = True
        self._is_injected = False

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The rule is not listed, and the path answers as before (unless another fault holds it)."""
        if await edge_is_gone(ctx):
            return Evidence(True, {"reason": EDGE_GONE})
        if await counters(ctx) is not None:
            return Evidence(False, {"reason": RULE_LEFT})
        return await self.answers_again(ctx)

    async def answers_again(self, ctx: FaultContext) -> Evidence:
        """Whether canaries are answered as before; waits for that, bounded by healing's limit."""
        return await path_answers(ctx)

    def _look(self, ctx: FaultContext) -> Any:
        return lambda address, timeout_s: self.look(ctx, address, timeout_s)


def edge_of(ctx: FaultContext) -> Edge:
    """The stack's edge; StackError when it has none."""
    if ctx.edge is None:
        raise StackError(f"{ctx.target.name} is not behind the edge: this stack has none")
    return ctx.edge


def rule_name(ctx: FaultContext) -> str:
    """No other fault has it, and it says whose it is."""
    return f"flashdrill-{ctx.planned.id}"


async def counters(ctx: FaultContext) -> dict[str, int] | None:
    """What the edge counts of the rule; None when there is no such rule. Raises EdgeError."""
    rule = (await edge_of(ctx).rules()).get(rule_name(ctx))
    return None if rule is None else dict(rule["counters"])


async def edge_is_gone(ctx: FaultContext) -> bool:
    """Whether nothing listens at the edge's address any more (a silent edge is not gone)."""
    place = urlsplit(edge_of(ctx).url)
    reading = await canary.converse((place.hostname or "", place.port or 0), canary.accepted, 1.0)
    return reading.seen is canary.Seen.REFUSED


async def counted(ctx: FaultContext, evidence: Evidence, key: str = "applied") -> Evidence:
    """The evidence with the rule's counters; what the edge did not count was not the rule's doing."""
    found = await counters(ctx) or {}
    is_seen = evidence.observed and found.get(key, 0) > 0
    reason = {"reason": NOT_APPLIED} if evidence.observed and not is_seen else {}
    return replace(
        evidence,
        observed=is_seen,
        measurements={**reason, **evidence.measurements, "counters": found},
    )
