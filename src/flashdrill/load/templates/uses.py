"""Which placeholders a request fills in, and which arrivals take a row of a feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from flashdrill.load.schedule import arrivals
from flashdrill.load.templates.placeholders import names
from flashdrill.load.templates.request import told_order
from flashdrill.model.scenario import Stage
from flashdrill.model.templates import RequestTemplate, Templates


def used_names(template: RequestTemplate) -> frozenset[str]:
    """The names that must be known before it is sent."""
    history = dict(template.history)
    if told_order(template):
        del history["order_id"]
    parts = [template.url_path, template.headers, template.body, history]
    return frozenset(name for text in _texts(parts) for name in names(text))


def captured_names(templates: Templates) -> frozenset[str]:
    """The names that any request captures."""
    return frozenset(name for request in templates.requests.values() for name in request.capture)


def journeys_using(templates: Templates, feed: str) -> frozenset[str]:
    """The journeys in which a feed is used."""
    users = {
        name
        for name, request in templates.requests.items()
        if any(used == feed or used.startswith(f"{feed}.") for used in used_names(request))
    }
    return frozenset(
        name
        for name, steps in templates.journeys.items()
        if any(step.request in users for step in steps)
    )


def places(
    templates: Templates, stages: Sequence[Stage], seed: int
) -> Mapping[str, Mapping[int, int]]:
    """For each feed whose rows are used once: the row of each arrival of the whole schedule that uses it."""
    found: dict[str, dict[int, int]] = {}
    for name, feed in templates.feeds.items():
        if feed.order == "once":
            journeys, rows = journeys_using(templates, name), count()
            found[name] = {
                arrival.index: next(rows)
                for arrival in arrivals(stages, seed)
                if arrival.journey in journeys
            }
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
