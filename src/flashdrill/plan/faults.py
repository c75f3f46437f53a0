"""A fault plan: faults on a timetable tied to the stages of a scenario, to conditions, to each other, and to chance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.model.scenario import Scenario
from flashdrill.plan.fault_kinds import FaultEntry, FaultKind
from flashdrill.plan.limits import BLAST_RADIUS, check_limits, limits, reach
from flashdrill.plan.planned import Draft
from flashdrill.plan.shapes import Listing, Number, Text
from flashdrill.plan.source import read_source
from flashdrill.plan.stages import NAMED
from flashdrill.plan.steady_state import FIELDS as SAFEGUARDS
from flashdrill.plan.table import Entry, Field, Table
from flashdrill.plan.targets import check_targets


def plan_table(catalogue: Mapping[str, FaultKind]) -> Table:
    """The table of a plan whose faults are of these kinds."""
    return Table(
        "a plan",
        {
            "name": Field(NAMED, "what reports call it", is_required=True),
            "description": Field(Text(), "what it is for", default=""),
            "seed": Field(Number(0, 2**53), "of its random choices; without it the run's"),
            "blast_radius": Field(BLAST_RADIUS, "how much its faults may touch at the same moment"),
            **SAFEGUARDS,
            "faults": Field(
                Listing(FaultEntry(catalogue), least=1), "the timetable", is_required=True
            ),
        },
    )


def load_plan(
    path: Path,
    scenario: Scenario,
    catalogue: Mapping[str, FaultKind],
    targets: Collection[str],
) -> FaultPlan:
    """The plan in a file, resolved to times of the scenario, faults in the order of their start.

    `targets` are the names that can be broken; when it is a mapping, its values are each target's kinds. What is left
    to chance is drawn by the plan's seed, or the scenario's. Raises ConfigError with the line.
    """
    entry = plan_table(catalogue).read(read_source(path))
    check_targets(entry["faults"], catalogue, targets)
    seed = scenario.seed if entry["seed"] is None else entry["seed"]
    draft = Draft(entry["faults"], scenario.stages, seed)
    faults = sorted(draft.faults(), key=lambda fault: (fault.start_s, fault.line))
    steady_state = entry["steady_state"]
    plan = FaultPlan(
        entry["name"],
        path,
        tuple(faults),
        entry["description"],
        seeds={entry["name"]: seed},
        steady_states=(steady_state,) if steady_state else (),
        aborts=entry["abort"],
    )
    return _limited(plan, entry, draft, targets)


def _limited(plan: FaultPlan, entry: Entry, draft: Draft, targets: Collection[str]) -> FaultPlan:
    """The plan with its blast radius. Raises ConfigError for a fault that goes beyond it."""
    if entry["blast_radius"] is None:
        return plan
    reaches = {f.id: reach(draft.widest(f.id), f.target, targets) for f in plan.faults}
    limited = replace(plan, blast_radii=(limits(entry["blast_radius"], reaches),))
    check_limits(limited)
    return limited


def check_plan(path: Path, catalogue: Mapping[str, FaultKind]) -> Entry:
    """The plan in a file as it is written. Raises ConfigError for what can be wrong without a scenario at hand."""
    entry = plan_table(catalogue).read(read_source(path))
    Draft(entry["faults"], None, 0).check()
    return entry


def merge(plans: Sequence[FaultPlan]) -> FaultPlan:
    """One plan with the faults of all; no plans give one without faults.

    Each keeps its own seed and its own blast radius. Raises ConfigError when two of them use the same fault id.
    """
    seen: dict[str, Path] = {}
    for plan in plans:
        for fault in plan.faults:
            if fault.id in seen:
                raise ConfigError(
                    f"the fault {fault.id!r} is also in {seen[fault.id]}",
                    path=plan.path,
                    line=fault.line,
                    remedy="rename one of the two",
                )
            seen[fault.id] = plan.path
    faults = sorted((f for plan in plans for f in plan.faults), key=lambda f: f.start_s)
    return FaultPlan(
        name="+".join(plan.name for plan in plans) or "none",
        path=plans[0].path if plans else Path(),
        faults=tuple(faults),
        description=" / ".join(plan.description for plan in plans if plan.description),
        seeds={name: seed for plan in plans for name, seed in plan.seeds.items()},
        blast_radii=tuple(radius for plan in plans for radius in plan.blast_radii),
        steady_states=tuple(state for plan in plans for state in plan.steady_states),
        aborts=tuple(condition for plan in plans for condition in plan.aborts),
    )
