"""Who says what a scenario's customers do: a locustfile, or a file of requests."""

from __future__ import annotations

from collections.abc import Sequence

from flashdrill.load.templates.rows import read_rows
from flashdrill.load.templates.uses import journeys_using, places
from flashdrill.model.scenario import Stage, World
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
    return None


def check_arrivals(entry: Entry, templates: Templates, stages: Sequence[Stage]) -> None:
    """Raise ConfigError for a journey that is not there, and for a feed that would run out."""
    place = entry.at("stages" if entry["stages"] is not None else "traffic")
    for stage in stages:
        for name in [s.journey for s in stage.arrivals] + [s.journey for s in stage.recorded]:
            if name not in templates.journeys:
                raise place.fail(
                    f"stage {stage.name!r}: no journey {name!r} in {templates.path.name}"
                    f"{did_you_mean(name, templates.journeys)}",
                    remedy=f"there are {', '.join(templates.journeys)}",
                )
    for name, needed in places(templates, stages, entry["seed"]).items():
        feed = templates.feeds[name]
        assert feed.csv is not None
        there_are = len(read_rows(feed.csv).rows)
        if len(needed) > there_are:
            users = ", ".join(sorted(journeys_using(templates, name)))
            raise entry.at("requests").fail(
                f"{len(needed)} customers ({users}) take a row of the feed {name!r} once, and "
                f"{feed.csv} has {there_are}",
                remedy="add rows, let fewer come, or use order: sequence",
            )
