"""A small run as the live screen hears of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from flashdrill.cli.live.story import Story
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import Scenario, Stage, World
from flashdrill.rehearsal.watcher import LiveSecond, ServiceNow

STAGES = (Stage("browse", 0, 10), Stage("rush", 10, 35), Stage("steady", 45, 45))
SCENARIO = Scenario("flash_sale", Path("s.yaml"), Path("crowd.py"), STAGES, World(10, ()))
PLAN = FaultPlan(
    "night",
    Path("p.yaml"),
    (
        PlannedFault("shard-timeout", "timeout", "shard2", 14, 9),
        PlannedFault("backend-kill", "kill", "backend", 20.5, 1),
        PlannedFault("slow-shard", "latency", "shard1", 50, 6),
        PlannedFault("redis-delay", "latency", "redis", 65, 6),
    ),
)
SERVICE = ServiceNow(
    breakers={"redis": "closed", "shard0": "closed", "shard1": "half-open", "shard2": "open"},
    levels={"shard0": 0, "shard1": 0, "shard2": 1},
    queues={"shard0": 0, "shard1": 0, "shard2": 47},
    age_s=0.3,
)
SECOND = LiveSecond(
    t_s=17.0,
    total_s=90.0,
    stage="rush",
    due=110,
    sent=123,
    ok=95,
    queued=12,
    refused=7,
    fail=3,
    info=2,
    in_flight=38,
    p50_ms=4.4,
    p95_ms=120.0,
    p99_ms=1504.0,
    lateness_p99_ms=2.6,
    cpu=0.3,
    faults=("shard-timeout",),
    service=SERVICE,
)


def step(fault: str, phase: str, detail: str = "") -> dict[str, object]:
    """One step of a fault, as chaos tells it."""
    return {"id": fault, "phase": phase, "detail": detail}


def second(**changes: Any) -> LiveSecond:
    """A second of load, with some values changed."""
    return replace(SECOND, **changes)


def starting() -> Story:
    """The stack comes up: two servers answer."""
    story = Story(SCENARIO, PLAN)
    story.begin(0.5, "bringing the stack up")
    story.servers += [("redis", 0.1), ("shard0", 1.1)]
    return story


def under_load() -> Story:
    """17 s into the load (at 20 s since the command began), one fault in force."""
    story = starting()
    story.begin(3.0, "load and faults, 90 s")
    for t_s in range(1, 17):
        story.hear(3.0 + t_s, second(t_s=float(t_s), p99_ms=None if t_s < 4 else 20.0))
    story.mark(step("shard-timeout", "inject"))
    story.mark(step("shard-timeout", "observed"))
    story.hear(20.0, SECOND)
    return story


def draining() -> Story:
    """The load is over, records wait."""
    story = under_load()
    for phase in ("inject", "observed", "healed"):
        story.mark(step("backend-kill", phase))
    story.begin(95.0, "waiting until the queues are empty")
    story.waiting = 1234
    return story
