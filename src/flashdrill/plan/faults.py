"""A fault plan: faults on a timetable tied to the stages of a scenario and to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import Scenario
from flashdrill.plan.fault_kinds import FaultEntry, FaultKind
from flashdrill.plan.shapes import Listing, Text
from flashdrill.plan.source import did_you_mean, read_source
from flashdrill.plan.stages import NAMED
from flashdrill.plan.table import Entry, Field, Table
from flashdrill.plan.timetable import Timetable

_ROUNDING_S = 1e-6


def plan_table(catalogue: Mapping[str, FaultKind]) -> Table:
    """The table of a plan whose faults are of these kinds."""
    return Table(
        "a plan",
        {
            "name": Field(NAMED, "what reports call it", is_required=True),
            "description": Field(Text(), "what it is for", default=""),
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

    `targets` are the names that can be broken; when it is a mapping, its values are each target's
    kinds. Raises ConfigError with the line.
    """
    entry = plan_table(catalogue).read(read_source(path))
    _check_targets(entry["faults"], catalogue, targets)
    timetable = Timetable(entry["faults"], scenario.stages)
    faults = [_planned(fault, timetable, scenario.duration_s) for fault in entry["faults"]]
    faults.sort(key=lambda fault: (fault.start_s, fault.line))
    return FaultPlan(entry["name"], path, tuple(faults), entry["description"])


def check_plan(path: Path, catalogue: Mapping[str, FaultKind]) -> Entry:
    """The plan in a file as it is written. Raises ConfigError for what can be wrong without a scenario at hand."""
    entry = plan_table(catalogue).read(read_source(path))
    Timetable(entry["faults"], stages=None).check()
    return entry


def merge(plans: Sequence[FaultPlan]) -> FaultPlan:
    """One plan with the faults of all; no plans give one without faults.

    Raises ConfigError when two of them use the same fault id.
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
    )


def _planned(fault: Entry, timetable: Timetable, run_s: float) -> PlannedFault:
    span = timetable.span(fault)
    end_s = span.start_s + span.duration_s
    if span.start_s < -_ROUNDING_S:
        raise fault.at("at").fail(f"starts {-span.start_s:g} s before the run does")
    if end_s > run_s + _ROUNDING_S:
        raise fault.at("at").fail(
            f"fault {fault['id']!r} ends at {end_s:g} s, after the run's end at {run_s:g} s",
            remedy="let it start earlier or last shorter",
        )
    return PlannedFault(
        id=fault["id"],
        kind=fault["kind"],
        target=fault["target"],
        start_s=max(0.0, span.start_s),
        duration_s=span.duration_s,
        parameters=_parameters(fault),
        line=fault.node.line,
    )


def _parameters(fault: Entry) -> dict[str, Any]:
    common = {"id", "kind", "target", "at", "for"}
    return {key: value for key, value in fault.values.items() if key not in common}


def _check_targets(
    faults: Sequence[Entry], catalogue: Mapping[str, FaultKind], targets: Collection[str]
) -> None:
    for fault in faults:
        name, kind = fault["target"], catalogue[fault["kind"]]
        if name not in targets:
            raise fault.at("target").fail(
                f"no target {name!r}{did_you_mean(name, targets)}",
                remedy=f"there are {', '.join(sorted(targets))}",
            )
        if isinstance(targets, Mapping) and not kind.target_kinds & frozenset(targets[name]):
            fitting = [t for t in sorted(targets) if kind.target_kinds & frozenset(targets[t])]
            raise fault.at("target").fail(
                f"{fault['kind']} cannot be done to {name!r}",
                remedy=f"it can be done to {', '.join(fitting) or 'nothing here'}",
            )
