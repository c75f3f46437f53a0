"""What the faults of HTTP requests have in common: canaries among the requests that the rule is meant for."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Reading
from flashdrill.chaos.edge_rule import EdgeFault, counted
from flashdrill.chaos.fault import Evidence, FaultContext
from flashdrill.chaos.proof import Baseline, Comparison, Search
from flashdrill.chaos.question import Answer, Question, ask
from flashdrill.chaos.route import Route
from flashdrill.chaos.target import Address

LONGEST_CANARY_S = 10.0
MARGIN_S = 1.0
"""How much longer than the injected delay a canary waits."""


class HttpFault(EdgeFault):
    """A rule for HTTP requests. Its parameters include those of `flashdrill.chaos.route.COMMON`, or it has a route of
    its own.

    Seen when canaries show it, the server past the edge does not, and the edge counts that it applied the rule.
    """

    target_kinds: ClassVar[frozenset[str]] = frozenset({"http"})

    def __init__(self) -> None:
        super().__init__()
        self._before: Baseline | None = None
        self._questions: Iterator[Question] | None = None
        self._answers: list[Answer] = []
        self._controls: list[Answer] = []

    @abstractmethod
    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The rule's action and its keys. Raises ConfigError for what cannot be."""

    @abstractmethod
    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """Whether a canary's answer shows the effect; `control` came past the edge at the same moment."""

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The requests that it is meant for. Raises ConfigError."""
        return Route.of(parameters)

    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """How long a canary may be held up by it."""
        return 0.0

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """Whether every canary must show it."""
        return self.route(parameters).is_every

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """Why such canaries could not show it; empty when they can."""
        return ""

    def questions(self, ctx: FaultContext) -> Iterator[Question]:
        """The canaries, without end."""
        return self.route(ctx.parameters).questions()

    def canaries(self, parameters: Mapping[str, Any]) -> int:
        """How many are asked at once."""
        return self.route(parameters).canaries

    def rule(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The action with the requests that it is for."""
        return {**self.action(parameters), "match": self.route(parameters).match()}

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Answer:
        """The next canary."""
        if self._questions is None:
            self._questions = self.questions(ctx)
        answer = await ask(address, next(self._questions), timeout_s)
        (self._answers if address == ctx.target.listen else self._controls).append(answer)
        return answer

    async def baseline(self, ctx: FaultContext) -> Baseline:
        """The path's and the server's own answers."""
        self._before = await super().baseline(ctx)
        return self._before

    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """As the subclass says."""
        answer, control = answer_of(seen.reading), answer_of(seen.control)
        return self.is_shown(ctx.parameters, answer, control, seen.baseline)

    def search(self, ctx: FaultContext, baseline: Baseline) -> Search:
        """Rounds of canaries, more of them when only a share is meant."""
        delay_s = self.delay_s(ctx.parameters)
        wanted_s = delay_s + baseline.path.waited_s
        return replace(
            super().search(ctx, baseline),
            patience_s=min(wanted_s + MARGIN_S, LONGEST_CANARY_S),
            expected_s=wanted_s + 0.05,
            canaries=self.canaries(ctx.parameters),
            is_every=self.is_every(ctx.parameters),
        )

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until the effect is seen and the edge has counted it."""
        if reason := self.blind(ctx.parameters, baseline):
            return Evidence(False, {"reason": reason, **self.told(baseline)})
        self._questions = None
        self._answers.clear()
        self._controls.clear()
        evidence = await counted(ctx, await super().observe(ctx, baseline))
        return replace(evidence, measurements={**self.told(baseline), **evidence.measurements})

    def told(self, before: Baseline) -> dict[str, Any]:
        """The canaries of this observation in numbers."""
        return {
            "canary": answer_of(before.path).question,
            "status_before": answer_of(before.path).status,
            "statuses": statuses(self._answers),
            "statuses_direct": statuses(self._controls),
        }

    async def answers_again(self, ctx: FaultContext) -> Evidence:
        """One round of canaries: none shows the effect, all are answered as before or as past the edge."""
        self._questions = None  # from the first one on: the same users
        patience_s = CANARY_TIMEOUT_S + self.delay_s(ctx.parameters)
        control, *readings = await asyncio.gather(
            self.look(ctx, ctx.target.upstream, patience_s),
            *(
                self.look(ctx, ctx.target.listen, patience_s)
                for _ in range(self.canaries(ctx.parameters))
            ),
        )
        before = self._before or Baseline(control, control)
        wrong = [reading for reading in readings if not self._is_as_before(ctx, reading, control)]
        others = ctx.others_in_force()
        found: dict[str, Any] = {
            "statuses_after": statuses(readings),
            "after_ms": round(max(reading.waited_s for reading in readings) * 1000, 3),
            **({"others_in_force": list(others)} if others else {}),
        }
        if wrong and not others:
            usual = answer_of(before.path).status
            reason = (
                f"{len(wrong)} of {len(readings)} canaries are not answered as before ({usual})"
            )
            return Evidence(False, {"reason": reason, **found})
        return Evidence(True, found)

    def _is_as_before(self, ctx: FaultContext, answer: Answer, control: Answer) -> bool:
        before = self._before or Baseline(control, control)
        is_usual = answer.status in {answer_of(before.path).status, control.status}
        return (
            answer.is_answered
            and is_usual
            and not self.is_shown(ctx.parameters, answer, control, before)
        )


def rise_s(answer: Answer, control: Answer, before: Baseline) -> float:
    """How much longer a canary took than before, and than one takes now past the edge."""
    return Comparison(answer, control, before).rise_s()


def answer_of(reading: Reading) -> Answer:
    """A canary of HTTP is one."""
    assert isinstance(reading, Answer)
    return reading


def statuses(answers: Iterable[Answer]) -> dict[str, int]:
    """How many by status, or by what became of those that got none."""
    return dict(Counter(str(a.status or a.seen) for a in answers))
