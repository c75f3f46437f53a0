"""A fault plan on a stack that is up, without any load: each fault is made, looked for, and healed.

flashdrill up ──> stack <── attach ── faults on their timetable ── healed, whatever happens ── leave
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from flashdrill.chaos.fault import Fault
from flashdrill.errors import (
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_PASS,
    EXIT_STACK,
    StackError,
)
from flashdrill.model.faults import FaultPlan, FaultRecord
from flashdrill.model.journal import Journal
from flashdrill.model.processes import identity
from flashdrill.plan.faults import merge
from flashdrill.plan.known import known_faults
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.without_load import load_plan_without_load
from flashdrill.rehearsal.interruption import interruptible
from flashdrill.rehearsal.journals import open_journal, refuse_over_leftovers
from flashdrill.rehearsal.proving import chaos_on
from flashdrill.rehearsal.topology import provisions, target_names
from flashdrill.stack.attached import AttachedStack, attached
from flashdrill.stack.provisions import Provisions

READY_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Injection:
    """Plans that can be injected: every file has been read and makes sense."""

    plan: FaultPlan
    paths: tuple[Path, ...]
    kinds: Mapping[str, type[Fault]]
    needs: Provisions
    seed: int

    @property
    def length_s(self) -> float:
        """From the start to the planned end of the last fault."""
        return max((fault.end_s for fault in self.plan.faults), default=0.0)

    @property
    def is_watched(self) -> bool:
        """Whether the plan has conditions that only a load could meet."""
        return bool(self.plan.steady_states or self.plan.aborts)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a fault, `at_s` after the start: the event of `Chaos`, and what is known of the fault by then."""

    at_s: float
    event: dict[str, Any]
    record: FaultRecord | None


@dataclass(slots=True)
class Injected:
    """What became of the faults that have begun."""

    records: list[FaultRecord] = field(default_factory=list)
    was_interrupted: bool = False

    def interrupted(self) -> None:
        """Note that somebody ended it."""
        self.was_interrupted = True

    @property
    def exit_code(self) -> int:
        """What the command ends with: what is left behind counts most."""
        if not all(record.healed for record in self.records):
            return EXIT_STACK
        if self.was_interrupted:
            return EXIT_INTERRUPTED
        return EXIT_PASS if all(r.is_sound for r in self.records) else EXIT_INCONCLUSIVE


def prepare_injection(
    paths: Sequence[Path], *, scenario: Path | None = None, seed: int | None = None
) -> Injection:
    """Read the plans; nothing has been touched when this raises ConfigError."""
    kinds = known_faults()
    overrides = () if seed is None else (f"seed={seed}",)
    setting = None if scenario is None else load_scenario(scenario, overrides)
    chosen = setting.seed if setting else 1 if seed is None else seed
    plans = [
        load_plan_without_load(path, kinds, target_names(), seed=chosen, scenario=setting)
        for path in paths
    ]
    plan = merge(plans)
    return Injection(plan, tuple(paths), kinds, provisions(plan, kinds), chosen)


Tell: TypeAlias = Callable[[Step], None]


async def inject(
    injection: Injection, state_dir: Path, tell: Tell, begun: Callable[[], None] = lambda: None
) -> Injected:
    """Live through the plan on the stack in a folder; Ctrl-C and SIGTERM heal first.

    `begun` is called when the timetable begins, `tell` hears of every step, see `Step`. Raises StackError when there
    is no such stack, or when it lacks what a fault needs; nothing has been touched then.
    """
    found = Injected()
    with interruptible(found.interrupted):
        try:
            async with attached(state_dir) as stack:
                _check(injection, stack)
                with closing(await _journal(injection, stack)) as journal:
                    for name in sorted(stack.visitor.processes):
                        await stack.wait_ready(name, READY_TIMEOUT_S)
                    await _live_through(injection, stack, journal, found, tell, begun)
        except asyncio.CancelledError:
            if not found.was_interrupted:
                raise
    return found


async def _live_through(
    injection: Injection,
    stack: AttachedStack,
    journal: Journal,
    found: Injected,
    tell: Tell,
    begun: Callable[[], None],
) -> None:
    began_s = time.monotonic()

    def heard(event: dict[str, Any]) -> None:
        records = (record for record in chaos.records() if record.id == event["id"])
        tell(Step(time.monotonic() - began_s, event, next(records, None)))

    chaos = chaos_on(
        stack, injection.plan, injection.kinds, journal, seed=injection.seed, on_event=heard
    )
    begun()
    try:
        await stack.visitor.hold(journal.path)
        await chaos.run(began_s)
    finally:
        left = await chaos.heal_all()
        found.records = chaos.records()
        if not left:
            await stack.visitor.release()  # else the guardian tries when we are gone


async def _journal(injection: Injection, stack: AttachedStack) -> Journal:
    """Its own journal. Raises StackError while there is an older one to heal from, or another injection."""
    guardian = identity(int((await stack.visitor.status())["pid"]))
    refuse_over_leftovers(stack.state_dir, guardian)
    journal = open_journal(stack.state_dir, injection.plan.name, by="flashdrill inject")
    journal.on_stack(guardian)
    return journal


def _check(injection: Injection, stack: AttachedStack) -> None:
    """Raise StackError for what the stack lacks."""
    has, needs = stack.provisions, injection.needs
    lacking = [f"a way through the edge to {name}" for name in sorted(needs.edges - has.edges)]
    lacking += ["a clock of the service's own"] if needs.has_clock and not has.has_clock else []
    lacking += ["a small disk"] if needs.has_volume and not has.has_volume else []
    if lacking:
        plans = " ".join(f"--chaos {path}" for path in injection.paths)
        raise StackError(
            f"the stack in {stack.state_dir} lacks what faults of the plan need: {', '.join(lacking)}",
            remedy=f"flashdrill down, and flashdrill up {plans}",
        )
