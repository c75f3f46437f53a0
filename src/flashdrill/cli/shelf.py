"""What there is in the current folder: scenarios, fault plans, kinds of faults, runs. Nothing is started.

A file that is broken has its error in the place of what it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.chaos.catalogue import catalogue
from flashdrill.chaos.fault import Fault, Parameter
from flashdrill.errors import ConfigError
from flashdrill.model.peak import peak_of
from flashdrill.plan.faults import check_plan
from flashdrill.plan.known import OWN_FAULTS, known_faults
from flashdrill.plan.quantities import format_duration, format_rate, format_share, format_size
from flashdrill.plan.scenario import check_scenario
from flashdrill.plan.validate import kind_of
from flashdrill.rehearsal.topology import target_names
from flashdrill.report.runs import RUNS, run_folders
from flashdrill.report.store import SUMMARY

SCENARIOS, PLANS = Path("scenarios"), Path("chaos/plans")
PLACES = {
    "scenarios": f"{SCENARIOS}/**/*.yaml",
    "plans": f"{PLANS}/*.yaml",
    "faults": f"{OWN_FAULTS}/*.py",
    "runs": f"{RUNS}/",
}
"""Where things are looked for."""
YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """A scenario; `peak_per_s` is of arrivals at its busiest, None when it awaits recorded traffic."""

    path: str
    name: str = ""
    description: str = ""
    duration_s: float | None = None
    peak_per_s: float | None = None
    gates: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A fault of a plan; of several targets `choose` are drawn in a run."""

    id: str
    kind: str
    targets: tuple[str, ...]
    choose: int


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A fault plan."""

    path: str
    name: str = ""
    description: str = ""
    faults: tuple[PlannedRow, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter of a fault; `default` as a plan would have it, None when it must be given."""

    name: str
    type: str
    default: str | None
    description: str


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A kind of fault: the kinds of targets that it takes, and which targets of the reference stack those are.

    `unavailable` says what this machine lacks for it; empty when it can be done.
    """

    kind: str
    description: str = ""
    target_kinds: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    parameters: tuple[ParameterRow, ...] = ()
    is_own: bool = False
    unavailable: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; `verdict` is empty when it has not come to its end."""

    name: str
    path: str
    verdict: str = ""
    scenario: str = ""
    duration_s: float | None = None
    started_at: str = ""
    report: str = ""
    error: str = ""


def scenarios() -> list[ScenarioRow]:
    """The scenarios in `scenarios/`, by path. Other YAML files there are left out."""
    return [row for path in yaml_files(SCENARIOS) if (row := _scenario(path)) is not None]


def plans() -> list[PlanRow]:
    """The plans in `chaos/plans/`, by path."""
    kinds, _ = _kinds()
    return [_plan(path, kinds) for path in yaml_files(PLANS)]


def faults() -> list[FaultRow]:
    """The kinds of faults that a plan may use here."""
    kinds, error = _kinds()
    rows = [_fault(kind) for kind in kinds.values()]
    return [*rows, FaultRow(kind=str(OWN_FAULTS), is_own=True, error=error)] if error else rows


def runs() -> list[RunRow]:
    """The runs in `reports/runs/`, newest first."""
    return [_run(folder) for folder in run_folders(RUNS)]


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files in a folder and below, sorted; hidden ones and what belongs to runs are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in YAML and path.is_file() and not _is_kept_away(path.relative_to(folder))
    )


def _is_kept_away(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or "runs" in path.parts[:-1]


def _scenario(path: Path) -> ScenarioRow | None:
    try:
        if kind_of(path) != "scenario":
            return None
        scenario = check_scenario(path)
    except ConfigError as error:
        return ScenarioRow(str(path), error=str(error))
    peak_per_s = max(map(peak_of, scenario.stages))
    return ScenarioRow(
        path=str(path),
        name=scenario.name,
        description=scenario.description,
        duration_s=scenario.duration_s if peak_per_s else None,
        peak_per_s=peak_per_s or None,
        gates=tuple(gate.text for gate in scenario.gates),
        plans=tuple(str(plan) for plan in scenario.chaos),
    )


def _plan(path: Path, kinds: Mapping[str, type[Fault]]) -> PlanRow:
    try:
        entry = check_plan(path, kinds)
    except ConfigError as error:
        return PlanRow(str(path), error=str(error))
    rows = (
        PlannedRow(fault["id"], fault["kind"], fault["target"], fault["choose"] or 1)
        for fault in entry["faults"]
    )
    return PlanRow(str(path), entry["name"], entry["description"], tuple(rows))


def _kinds() -> tuple[dict[str, type[Fault]], str]:
    """Every kind; when the own ones cannot be loaded, those of flashdrill and why."""
    try:
        return known_faults(), ""
    except ConfigError as error:
        return catalogue(), str(error)


def _fault(kind: type[Fault]) -> FaultRow:
    names = target_names()
    fitting = (name for name, kinds in names.items() if kinds & kind.target_kinds)
    return FaultRow(
        kind=kind.kind,
        description=first_line(kind.__doc__),
        target_kinds=tuple(sorted(kind.target_kinds)),
        targets=tuple(fitting),
        parameters=tuple(_parameter(name, p) for name, p in kind.parameters.items()),
        is_own=kind.kind not in catalogue(),
        unavailable=kind.missing(),
    )


def first_line(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    paragraph = (text or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _parameter(name: str, parameter: Parameter) -> ParameterRow:
    default = None if parameter.is_required else as_written(parameter.type, parameter.default)
    return ParameterRow(name, parameter.type, default, parameter.description)


def as_written(kind: str, value: Any) -> str:
    """A value in base units as a plan has it: seconds as a duration, a share as a percentage."""
    if kind == "duration":
        return format_duration(value)
    if kind == "rate":
        return format_rate(value)
    if kind == "share":
        return format_share(float(value))
    if kind == "flag":
        return "true" if value else "false"
    return format_size(value) if kind == "size" else str(value)


def _run(folder: Path) -> RunRow:
    row = RunRow(folder.name, str(folder))
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        page = folder / "report.html"
        return RunRow(
            name=folder.name,
            path=str(folder),
            verdict=str(summary["verdict"]),
            scenario=str(summary["scenario"]["name"]),
            duration_s=float(summary["duration_s"]),
            started_at=str(summary["started_at"]),
            report=str(page) if page.is_file() else "",
        )
    except FileNotFoundError:
        return row
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        return RunRow(row.name, row.path, error=f"{folder / SUMMARY}: damaged: {why}")
