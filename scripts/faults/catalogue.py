"""chaos/plans/every_fault.yaml, and the stack on which all of it can be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from flashdrill.chaos.fault import Fault
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import Scenario, Stage, World
from flashdrill.plan.faults import load_plan
from flashdrill.plan.known import known_faults
from flashdrill.rehearsal.topology import provisions, target_names
from flashdrill.stack.embedded import StackSpec

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "chaos" / "plans" / "every_fault.yaml"
RUN_S = 600.0

WORLD = {
    "users": 1_000,
    "products": [{"sku": "hot-1", "price_cents": 1_999, "stock": 1_000}],
}
"""The plan's faults speak of hot-1."""


def every_fault() -> list[PlannedFault]:
    """The lines of the plan; each kind is there at least once."""
    return list(plan_of_every_fault().faults)


def plan_of_every_fault() -> FaultPlan:
    """The whole plan, on a run that is long enough for it."""
    scenario = Scenario(
        name="every-fault",
        path=PLAN,
        locustfile=PLAN,
        stages=(Stage("run", 0.0, RUN_S, ()),),
        world=World(1_000, ()),
    )
    return load_plan(PLAN, scenario, known_faults(), target_names())


def specification(
    folder: Path, lines: Iterable[PlannedFault], kinds: Mapping[str, type[Fault]]
) -> StackSpec:
    """A stack in a folder with what these faults need."""
    return StackSpec(
        state_dir=folder / "stack",
        log_dir=folder / "logs",
        journal=folder / "journal.jsonl",
        world=WORLD,
        provisions=provisions(FaultPlan("every-fault", PLAN, tuple(lines)), kinds),
    )
