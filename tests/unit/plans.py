"""Plans for the tests of the timetable language: a line is written as YAML, the stages are those of `planning`."""

from __future__ import annotations

import itertools
from pathlib import Path

from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import Scenario, Stage, World
from flashdrill.plan.faults import load_plan
from tests.unit.crowds import ramp, steady
from tests.unit.planning import KINDS, Kind, Parameter

SHARDS = ("shard0", "shard1", "shard2", "shard3")
TARGETS = {
    **{name: frozenset({"postgres"}) for name in SHARDS},
    "redis": frozenset({"redis"}),
    "backend": frozenset({"http", "process"}),
}
STAGES = (
    Stage("browse", 0, 10, (steady("browse", 40, 10),)),
    Stage("rush", 10, 20, (ramp("buy", 40, 160, 20),)),
    Stage("steady", 30, 30),
)
"""browse 0-10 s, rush 10-30 s, steady 30-60 s."""
ALL_KINDS = {
    **KINDS,
    "cut": Kind(frozenset({"postgres"})),
    "sizes": Kind(
        frozenset({"redis"}),
        {
            "count": Parameter("int", default=0),
            "bytes": Parameter("size", default=0),
            "rate": Parameter("rate", default=0.0),
            "share": Parameter("share", default=1.0),
        },
    ),
    "status": Kind(
        frozenset({"http"}),
        {"share": Parameter("share", default=1.0), "users": Parameter("share", default=1.0)},
    ),
}
_numbers = itertools.count()


def scenario(seed: int = 7) -> Scenario:
    """The stages, and nothing else of interest."""
    return Scenario("small", Path("small.yaml"), Path("crowd.py"), STAGES, World(1, ()), seed=seed)


def written(folder: Path, *lines: str, head: str = "", name: str = "night") -> Path:
    """A plan in a file; each line of its timetable is the inside of a YAML mapping."""
    path = folder / f"{name}-{next(_numbers)}.yaml"
    text = "".join(f"  - {{{line}}}\n" for line in lines)
    path.write_text(f"name: {name}\n{head}faults:\n{text}")
    return path


def plan_of(
    folder: Path, *lines: str, head: str = "", seed: int = 7, name: str = "night"
) -> FaultPlan:
    """The plan with these lines."""
    path = written(folder, *lines, head=head, name=name)
    return load_plan(path, scenario(seed), ALL_KINDS, TARGETS)


def by_id(plan: FaultPlan) -> dict[str, PlannedFault]:
    """Its faults by id."""
    return {fault.id: fault for fault in plan.faults}
