"""The stages of a scenario: named stretches, one after another, with the arrivals of each journey."""

from __future__ import annotations

from typing import Any

from flashdrill.model.scenario import Arrivals, Stage
from flashdrill.plan.shapes import NAME, RATE, SOME_TIME, Mapped, Text
from flashdrill.plan.source import Node
from flashdrill.plan.table import Entry, Field, Table

NAMED = Text(NAME, "a name (letters, digits, - and _, starting with a letter)")
RAMP = Table(
    "a ramp",
    {
        "from": Field(RATE, "rate at the stage's start", is_required=True),
        "to": Field(RATE, "rate at the stage's end", is_required=True),
    },
)


class RateOrRamp:
    """A rate, or a ramp from one rate to another."""

    def read(self, node: Node) -> tuple[float, float]:
        """The rates at the stage's start and end, per second."""
        if isinstance(node.content, dict):
            ramp = RAMP.read(node)
            return ramp["from"], ramp["to"]
        rate = RATE.read(node)
        return rate, rate

    def schema(self) -> dict[str, Any]:
        """Either of the two."""
        return {"anyOf": [RATE.schema(), RAMP.schema()]}


STAGE = Table(
    "a stage",
    {
        "name": Field(NAMED, "what gates and faults call it", is_required=True),
        "duration": Field(SOME_TIME, "how long it lasts, such as 30s", is_required=True),
        "arrivals": Field(
            Mapped(RateOrRamp(), NAME, "the name of a journey"),
            "new customers for each journey: 40/s, or {from: 40/s, to: 160/s}",
            default={},
        ),
    },
)


def build_stages(entries: tuple[Entry, ...]) -> tuple[Stage, ...]:
    """The stages with their start times. Raises ConfigError for a name used twice."""
    stages: list[Stage] = []
    for entry in entries:
        if entry["name"] in {stage.name for stage in stages}:
            raise entry.at("name").fail(f"two stages are called {entry['name']!r}")
        arrivals = tuple(Arrivals(j, start, end) for j, (start, end) in entry["arrivals"].items())
        start_s = stages[-1].end_s if stages else 0.0
        stages.append(Stage(entry["name"], start_s, entry["duration"], arrivals))
    return tuple(stages)
