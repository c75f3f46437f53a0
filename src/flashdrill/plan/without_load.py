"""A fault plan by itself: no stages, no conditions, just times since the start and faults tied to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from flashdrill.model.faults import FaultPlan
from flashdrill.model.scenario import Scenario, Stage, World
from flashdrill.plan.fault_kinds import FaultKind
from flashdrill.plan.faults import check_plan, load_plan
from flashdrill.plan.moments import Extent, Moment
from flashdrill.plan.occurrences import occurrences
from flashdrill.plan.table import Entry

LONGEST_S = 24 * 3600.0
"""A plan that takes longer is refused."""

_REMEDY = "name the scenario whose stages are meant: --scenario FILE"


def load_plan_without_load(
    path: Path,
    catalogue: Mapping[str, FaultKind],
    targets: Collection[str],
    *,
    seed: int = 1,
    scenario: Scenario | None = None,
) -> FaultPlan:
    """The plan in a file, on the timeline of a scenario that nobody plays, or on one as long as it takes.

    Raises ConfigError with the line, also for what only a load can decide: a fault that waits for a condition.
    """
    entry = check_plan(path, catalogue)
    for line in entry["faults"]:
        _refuse_condition(line)
    if scenario is None:
        _refuse_stages(entry)
        scenario = _endless(path, seed)
    return load_plan(path, scenario, catalogue, targets)


def _endless(path: Path, seed: int) -> Scenario:
    """A scenario with no stage that a plan could name."""
    return Scenario(
        name="no load",
        path=path,
        locustfile=path,
        stages=(Stage("(no stage)", 0.0, LONGEST_S),),
        world=World(0, ()),
        seed=seed,
    )


def _refuse_condition(line: Entry) -> None:
    if line["when"] is not None:
        raise line.at("when").fail(
            f"fault {line['id']!r} starts at a condition of the load, and there is none",
            remedy="flashdrill run has a load; or give the fault an `at`",
        )


def _refuse_stages(entry: Entry) -> None:
    names = {name for fault in occurrences(entry["faults"]) for name in fault.names}
    for line in entry["faults"]:
        moment: Moment = line["at"]
        if moment.anchor and moment.anchor not in names:
            raise line.at("at").fail(
                f"{moment.anchor!r} is no fault of this plan, and without a scenario there are no stages",
                remedy=_REMEDY,
            )
        for key, extent in (("at", moment.offset), ("for", line["for"])):
            _refuse_share(line, key, extent, is_of_run=not moment.anchor)


def _refuse_share(line: Entry, key: str, extent: Extent, *, is_of_run: bool) -> None:
    if extent.is_share and is_of_run:
        raise line.at(key).fail(
            "a share of the whole run, and without a scenario it has no length", remedy=_REMEDY
        )
