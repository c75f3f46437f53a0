"""The proof of a fault by itself: one fault, one target, no crowd; as it is, and with a part of it sabotaged.

A catalogue that cannot tell a fault that bites from one that does nothing is worth nothing. So each kind can also be
tried with an injection that does nothing (it must not be seen), and with a healing that does nothing (that must be
said).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from flashdrill.chaos.course import Tell
from flashdrill.chaos.fault import Fault, FaultContext
from flashdrill.chaos.timetable import Chaos
from flashdrill.edge.client import Edge
from flashdrill.model.faults import FaultPlan, FaultRecord, PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.rehearsal.topology import Breakable, targets

SABOTAGED_HEAL_S = 2.5
"""How long a healing that does nothing is waited for."""


class Sabotage(StrEnum):
    """What is made to do nothing."""

    NOTHING = "nothing"
    INJECTION = "injection"
    HEALING = "healing"


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one fault; `left` are the ids of what could not be healed in the end, by the real healing."""

    record: FaultRecord
    left: tuple[str, ...]

    @property
    def is_proven(self) -> bool:
        """Whether it took effect and nothing of it is left."""
        return self.record.effect_observed and self.record.healed and not self.left


async def prove(
    planned: PlannedFault,
    stack: Breakable,
    kinds: Mapping[str, type[Fault]],
    journal: Journal,
    *,
    sabotage: Sabotage = Sabotage.NOTHING,
    on_event: Tell = lambda _event: None,
) -> Proof:
    """Make one fault now, whenever it was planned; look for its effect; heal it. Never raises for what it finds."""
    is_over = False
    kind = kinds[planned.kind]
    if sabotage is not Sabotage.NOTHING:
        kind = _sabotaged(kind, sabotage, lambda: is_over)
    chaos = chaos_on(
        stack,
        FaultPlan("proof", journal.path, (replace(planned, start_s=0.0),)),
        {**kinds, planned.kind: kind},
        journal,
        on_event=on_event,
    )
    try:
        record = (await chaos.run(time.monotonic()))[0]
    finally:
        is_over = True
        left = await chaos.heal_all()
    return Proof(record, left)


def chaos_on(
    stack: Breakable,
    plan: FaultPlan,
    kinds: Mapping[str, type[Fault]],
    journal: Journal,
    *,
    seed: int = 0,
    on_event: Tell = lambda _event: None,
    **more: Any,
) -> Chaos:
    """The timetable of a plan on a stack that runs."""
    return Chaos(
        plan,
        kinds=kinds,
        targets=targets(stack),
        toxiproxy_url=stack.toxiproxy_url,
        processes=stack,
        journal=journal,
        on_event=on_event,
        edge=Edge(stack.edge_url) if stack.edge_url else None,
        log_dir=stack.log_dir,
        seed=seed,
        **more,
    )


def _sabotaged(kind: type[Fault], sabotage: Sabotage, is_over: Callable[[], bool]) -> type[Fault]:
    """The same kind with one part that does nothing; the healing works again when all is over."""

    async def inject(_self: Fault, _ctx: FaultContext) -> None:
        return None

    async def heal(self: Fault, ctx: FaultContext) -> None:
        if is_over():
            await kind.heal(self, ctx)

    if sabotage is Sabotage.INJECTION:
        return type(kind.__name__, (kind,), {"inject": inject})
    return type(kind.__name__, (kind,), {"heal": heal, "heal_limit_s": _Limit(kind, is_over)})


class _Limit:
    """`heal_limit_s`: short while the healing does nothing."""

    def __init__(self, kind: type[Fault], is_over: Callable[[], bool]) -> None:
        self._kind = kind
        self._is_over = is_over

    def __get__(self, _fault: object, _owner: object = None) -> float:
        return self._kind.heal_limit_s if self._is_over() else SABOTAGED_HEAL_S
