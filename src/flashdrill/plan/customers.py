"""Who says what a scenario's customers do: a locustfile, or a file of requests."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.load.templates.rows import read_rows
from flashdrill.load.templates.uses import journeys_using, places
from flashdrill.model.scenario import Climb, Gate, Limits, Stage, World
from flashdrill.model.templates import Templates
from flashdrill.plan.source import did_you_mean
from flashdrill.plan.table import Entry
from flashdrill.plan.templates import read_templates


def build_customers(entry: Entry, world: World) -> Templates | None:
    """The requests of a scenario, None when it has a locustfile. Raises ConfigError."""
    if entry["requests"] is not None and entry["locustfile"] is not None:
        raise entry.at("requests").fail(
            "the scenario has a locustfile: `requests` would take its place",
            remedy="leave out one of the two",
        )
    if entry["requests"] is not None:
        return read_templates(entry["requests"], has_world=bool(world.products))
    if entry["locustfile"] is None:
        raise entry.node.fail(
            "a scenario needs 'locustfile' or 'requests': what customers do",
            remedy="docs/requests.md has a file of requests to begin with",
        )
    if not world.products:
        raise entry.node.fail("a scenario needs 'world': who buys what")
    _check_python(entry["locustfile"])
    return None


def _check_python(path: Path) -> None:
    """Raise ConfigError for a locustfile that is no Python; it is not run."""
    try:
        ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise ConfigError(f"no Python: {error.msg}", path=path, line=error.lineno) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Python: {error}", path=path) from None


def check_arrivals(entry: Entry, templates: Templates, stages: Sequence[Stage]) -> None:
    """Raise ConfigError for a journey that is not there, and for a feed that would run out."""
    place = entry.at("stages" if entry["stages"] is not None else "traffic")
    for stage in stages:
        for name in _journeys(stage):
            if name not in templates.journeys:
                raise place.fail(
                    f"stage {stage.name!r}: no journey {name!r} in {templates.path.name}"
                    f"{did_you_mean(name, templates.journeys)}",
                    remedy=f"there are {', '.join(templates.journeys)}",
                )
    coming = {name for stage in stages for name in _journeys(stage)}
    for name, needed in places(templates, stages, entry["seed"]).items():
        feed = templates.feeds[name]
        assert feed.csv is not None
        there_are = len(read_rows(feed.csv).rows)
        if len(needed) > there_are:
            users = ", ".join(sorted(journeys_using(templates, name) & coming))
            raise ConfigError(
                f"{len(needed)} customers ({users}) take a row of the feed {name!r} once, and "
                f"{feed.csv} has {there_are}",
                path=templates.path,
                line=feed.line,
                remedy="add rows, let fewer come, or use order: sequence",
            )


def check_operations(entry: Entry, templates: Templates, gates: Sequence[Gate]) -> None:
    """Raise ConfigError for a gate on an operation that no request is: it could never be judged."""
    kinds = {request.history.get("kind", request.name) for request in templates.requests.values()}
    nodes = entry.at("gates").content
    for gate, node in zip(gates, nodes if isinstance(nodes, list) else [], strict=False):
        if gate.operation and gate.operation not in kinds:
            raise node.fail(
                f"no operation {gate.operation!r} in {templates.path.name}"
                f"{did_you_mean(gate.operation, kinds)}",
                remedy=f"there are {', '.join(sorted(kinds))}",
            )


def check_feeds(templates: Templates, climb: Climb | None) -> None:
    """Raise ConfigError for rows that are to be used once on a staircase whose arrivals nobody knows beforehand."""
    if climb is None:
        return
    coming = {journey for journey, _ in climb.shares}
    for name, feed in templates.feeds.items():
        users = sorted(journeys_using(templates, name) & coming)
        if feed.order == "once" and users:
            raise ConfigError(
                f"the feed {name!r} is used once, and {climb.name}, in which {', '.join(users)} takes its rows, has "
                "stop_at_knee: nobody knows beforehand who comes",
                path=templates.path,
                line=feed.line,
                remedy="use order: sequence, or leave stop_at_knee out",
            )


def check_attempts(templates: Templates, limits: Limits) -> None:
    """Raise ConfigError for a request that goes on longer than the run waits for it."""
    for request in templates.requests.values():
        if request.attempts > limits.max_attempts:
            raise ConfigError(
                f"{request.name} is sent up to {request.attempts} times, and the scenario's limits.max_attempts "
                f"is {limits.max_attempts}",
                path=templates.path,
                line=request.line,
                remedy="raise limits.max_attempts, or lower retry.attempts",
            )


def _journeys(stage: Stage) -> list[str]:
    return [s.journey for s in stage.arrivals] + [s.journey for s in stage.recorded]
