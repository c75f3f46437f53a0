"""What the rules in force make of one request: the first that answers it, and those that combine with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flashdrill.edge.match import Asked
from flashdrill.edge.rule import Rule
from flashdrill.model.chance import place


@dataclass(slots=True)
class Treatment:
    """`decisive` says what becomes of the request or its answer; the others go with it."""

    decisive: Rule | None = None
    delays: list[tuple[Rule, float]] = field(default_factory=list)
    """Each with its seconds."""
    headers: list[Rule] = field(default_factory=list)
    copies: list[Rule] = field(default_factory=list)
    passed: list[Rule] = field(default_factory=list)
    """Throttles that let it through."""

    @property
    def is_nothing(self) -> bool:
        """Whether the request goes through untouched."""
        return not (self.decisive or self.delays or self.headers or self.copies or self.passed)

    def is_forwarded(self) -> None:
        """Note at every rule that the server sees the request."""
        for rule in (*(rule for rule, _ in self.delays), *self.headers, *self.copies, *self.passed):
            rule.counters.forwarded += 1
        if self.decisive:
            self.decisive.counters.forwarded += 1


class Throttles:
    """How many requests each throttle has let through in the period that runs."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._periods: dict[int, tuple[float, int]] = {}

    def lets_through(self, rule: Rule) -> bool:
        """Whether one more fits into the period; it is counted then."""
        began, count = self._periods.get(id(rule), (self._now(), 0))
        if self._now() - began >= rule.keys["period_s"]:
            began, count = self._now(), 0
        fits = count < rule.keys["limit"]
        self._periods[id(rule)] = (began, count + fits)
        return bool(fits)

    def forget(self, rule: Rule) -> None:
        """The rule has ended."""
        self._periods.pop(id(rule), None)


def treat(asked: Asked, rules: Iterable[Rule], throttles: Throttles) -> Treatment:
    """Ask the rules in order until one decides. A drop is counted here, the others when they are done."""
    treatment = Treatment()
    for rule in rules:
        if not rule.chooses(asked):
            continue
        match rule.action:
            case "delay":
                treatment.delays.append((rule, _delay_s(rule)))
            case "set_header":
                treatment.headers.append(rule)
            case "duplicate":
                treatment.copies.append(rule)
            case "throttle" if throttles.lets_through(rule):
                treatment.passed.append(rule)
            case "drop" if 0 < rule.keys["first"] <= rule.counters.applied:
                pass
            case _:
                treatment.decisive = rule
                rule.counters.applied += rule.action == "drop"
                break
    return treatment


def _delay_s(rule: Rule) -> float:
    """How long the request that it matched last is held: `delay_s` ± `jitter_s`, the same for the same seed."""
    keys = rule.keys
    swing = 2 * place(rule.seed, rule.name, "delay", str(rule.counters.matched)) - 1
    return float(keys["delay_s"] + swing * keys["jitter_s"])


async def ended_within(rule: Rule, limit_s: float) -> bool:
    """Wait for that time; True, and at once, when the rule ends before."""
    try:
        async with asyncio.timeout(limit_s):
            await rule.ended.wait()
    except TimeoutError:
        return False
    return True
