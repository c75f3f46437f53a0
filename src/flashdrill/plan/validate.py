"""Which kind of file it is, and whether it is a good one; nothing is started."""

from __future__ import annotations

from pathlib import Path

from flashdrill.load.peak import check_peak
from flashdrill.model.hosts import hosts_beyond
from flashdrill.model.scenario import Scenario
from flashdrill.plan.faults import check_plan
from flashdrill.plan.known import known_faults
from flashdrill.plan.scenario import check_scenario
from flashdrill.plan.shapes import mapping_of
from flashdrill.plan.source import Node, read_source
from flashdrill.plan.templates import read_templates
from flashdrill.plan.traffic import read_traffic

_MARKS = {
    "traffic": ("arrivals_ms", "format"),
    "plan": ("faults",),
    "scenario": ("locustfile", "world", "stages", "service"),
    "requests": ("requests", "journeys"),
}


def validate_file(path: Path) -> str:
    """The kind of a good file: scenario, plan, traffic or requests. Raises ConfigError with the line.

    A file of requests is checked as if its scenario had a world, a plan without a scenario: its stages and targets are
    judged when it is run with one.
    """
    kind = kind_of(path)
    if kind == "traffic":
        read_traffic(path)
    elif kind == "requests":
        read_templates(path)
    elif kind == "plan":
        check_plan(path, known_faults())
    else:
        _check_guards(check_scenario(path))
    return kind


def _check_guards(scenario: Scenario) -> None:
    """What would be refused before the start of a run. Raises ConfigError; no name is looked up."""
    urls = {} if scenario.service is None else dict(scenario.service.urls())
    hosts_beyond(urls, scenario.hosts, path=scenario.path)
    check_peak(scenario, scenario.limits.rate_max)


def is_ours(path: Path) -> bool:
    """Whether a file is any of the kinds. Raises ConfigError when it is not YAML at all."""
    return _kind(read_source(path)) is not None


def kind_of(path: Path) -> str:
    """What a file is, by the keys that only that kind has. Raises ConfigError when it has none."""
    node = read_source(path)
    kind = _kind(node)
    if kind is not None:
        return kind
    raise node.fail(
        "neither a scenario, nor a plan, nor a traffic model, nor a file of requests",
        remedy="a scenario has `stages`, a plan `faults`, a traffic model `arrivals_ms`, a file of requests `journeys`",
    )


def _kind(node: Node) -> str | None:
    entries = mapping_of(node)
    fitting = (kind for kind, marks in _MARKS.items() if any(mark in entries for mark in marks))
    return next(fitting, None)
