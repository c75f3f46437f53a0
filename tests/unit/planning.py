"""Scenarios, plans and fault kinds for the tests of `plan`, small enough to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.model.scenario import Scenario
from flashdrill.plan.scenario import load_scenario

SCENARIO = """\
name: small
locustfile: crowd.py
world:
  users: 10
  products:
    - {sku: hot, price: "19.99", stock: 4, weight: 2.5}
    - {sku: "cold-{n}", count: 3, price: "5", stock: 50}
stages:
  - {name: browse, duration: 10s, arrivals: {browse: 40/s}}
  - {name: rush, duration: 20s, arrivals: {browse: 600/min, buy: {from: 40/s, to: 160/s}}}
  - {name: steady, duration: 0.5m}
gates:
  - p99(place_order) < 800ms during rush
  - recovery < 30s
"""


@dataclass(frozen=True)
class Parameter:
    """As `flashdrill.chaos` declares one."""

    type: str
    description: str = "a parameter"
    default: Any = None
    is_required: bool = False
    unit: str = ""
    least: int = 0
    most: int = 2**53


@dataclass(frozen=True)
class Kind:
    """As `flashdrill.chaos` declares one."""

    target_kinds: frozenset[str]
    parameters: dict[str, Parameter] = field(default_factory=dict)


NETWORK = frozenset({"postgres", "redis", "http"})
KINDS = {
    "latency": Kind(
        NETWORK,
        {
            "latency": Parameter("duration", is_required=True),
            "jitter": Parameter("duration", default=0.0),
            "toxicity": Parameter("share", default=1.0),
            "stream": Parameter("text", default="downstream", unit="downstream|upstream"),
        },
    ),
    "kill": Kind(frozenset({"process"})),
}
TARGETS = {
    "shard1": frozenset({"postgres"}),
    "redis": frozenset({"redis"}),
    "backend": frozenset({"http", "process"}),
}


def write_scenario(folder: Path, old: str = "", new: str = "") -> Path:
    """The small scenario in a file, with one change."""
    assert old in SCENARIO
    (folder / "crowd.py").touch()
    path = folder / "small.yaml"
    path.write_text(SCENARIO.replace(old, new, 1) if old else SCENARIO)
    return path


def small_scenario(folder: Path) -> Scenario:
    """The small scenario: browse 0-10 s, rush 10-30 s, steady 30-60 s."""
    return load_scenario(write_scenario(folder))
