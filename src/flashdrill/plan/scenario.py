"""A scenario file: what the crowd does, for how long, and what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flashdrill.load.templates import LOCUSTFILE
from flashdrill.model.scenario import Gate, Limits, Scenario, Stage, World
from flashdrill.plan.customers import (
    build_customers,
    check_arrivals,
    check_attempts,
    check_feeds,
    check_operations,
)
from flashdrill.plan.gates import GateText
from flashdrill.plan.guards import MARKING, HostShape, build_hosts, build_marking
from flashdrill.plan.overrides import apply
from flashdrill.plan.quantities import format_duration
from flashdrill.plan.recording import TRAFFIC_USE, recorded_stage, stage_without_traffic
from flashdrill.plan.service import SERVICE, build_service, refuse_reference
from flashdrill.plan.shapes import (
    DURATION,
    RATE,
    SOME_TIME,
    FilePath,
    Free,
    Listing,
    Mapped,
    Number,
    Text,
)
from flashdrill.plan.source import did_you_mean, read_source
from flashdrill.plan.stages import NAMED, STAGE, build_climb, build_stages
from flashdrill.plan.steady_state import FIELDS as SAFEGUARDS
from flashdrill.plan.table import Entry, Field, Table
from flashdrill.plan.world import WORLD, build_world

_DEFAULTS = Limits()
CALIBRATE_S = 2.0
LEAST_CALIBRATION_S, LONGEST_CALIBRATION_S = 0.5, 30.0

LIMITS = Table(
    "limits",
    {
        "in_flight": Field(
            Number(1, 100_000),
            "requests that may be open at once; further arrivals are not sent",
            default=_DEFAULTS.in_flight,
        ),
        "request_timeout": Field(
            SOME_TIME, "how long one attempt may take", default=_DEFAULTS.request_timeout_s
        ),
        "max_attempts": Field(
            Number(1, 20), "attempts of one operation", default=_DEFAULTS.max_attempts
        ),
        "drain_timeout": Field(
            SOME_TIME,
            "how long the system may take to drain after the load",
            default=_DEFAULTS.drain_timeout_s,
        ),
        "rate_max": Field(
            RATE,
            "requests a second that are never exceeded; without it 1000/s when a host is not this machine",
        ),
        "workers": Field(
            Number(1, 64),
            "load processes on this machine; each sends its share of the arrivals, with its own `in_flight`",
            default=_DEFAULTS.workers,
        ),
    },
)

SCENARIO = Table(
    "a scenario",
    {
        "name": Field(NAMED, "what reports call it", is_required=True),
        "description": Field(Text(), "what it is for", default=""),
        "locustfile": Field(FilePath(), "the customers, as Python"),
        "requests": Field(FilePath(), "the customers, as a file of requests, instead of Python"),
        "seed": Field(Number(0, 2**53), "of every random choice", default=1),
        "time_scale": Field(
            Number(0, 1000, is_whole=False, is_low_excluded=True),
            "windows, holds and sweeps of the system take 1/time_scale of their time",
            default=1.0,
        ),
        "chaos": Field(Listing(FilePath()), "fault plans, unless --chaos is given", default=()),
        "backend": Field(
            Mapped(Free(is_flat=True)), "settings of the reference backend", default={}
        ),
        "service": Field(SERVICE, "your own service, in the place of the reference stack"),
        "world": Field(WORLD, "who buys what; required with a locustfile"),
        "parameters": Field(Mapped(Free()), "handed to the locustfile", default={}),
        "stages": Field(Listing(STAGE, least=1), "the run, one stretch after another"),
        "traffic": Field(TRAFFIC_USE, "recorded arrivals, in the place of stages"),
        "gates": Field(Listing(GateText()), "what must hold, such as p99 < 800ms", default=()),
        **SAFEGUARDS,
        "limits": Field(LIMITS, "bounds of the generator and of waits"),
        "hosts": Field(
            Listing(HostShape()), "what a run may send to, besides this machine itself", default=()
        ),
        "marking": Field(MARKING, "how its requests can be told from others"),
        "calibrate": Field(
            DURATION,
            "how long the load process is calibrated against a null server before the load; 0s: not at all. "
            f"Without it {format_duration(CALIBRATE_S)} for a staircase, else not at all",
        ),
    },
)


def load_scenario(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in a file, with the values of `--set` in place. Raises ConfigError with the line."""
    return _build(path, SCENARIO.read(apply(read_source(path), SCENARIO, overrides)))


def check_scenario(path: Path) -> Scenario:
    """The scenario in a file, also of one that awaits `traffic.file`: an empty stage then stands for the traffic.

    Raises ConfigError with the line.
    """
    return _build(path, SCENARIO.read(read_source(path)), awaits_traffic=True)


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file."""
    choices = [
        {"oneOf": [{"required": ["stages"]}, {"required": ["traffic"]}]},
        {"oneOf": [{"required": ["locustfile", "world"]}, {"required": ["requests"]}]},
    ]
    return {**SCENARIO.schema(), "allOf": choices}


def _build(path: Path, entry: Entry, *, awaits_traffic: bool = False) -> Scenario:
    stages = _stages(entry, awaits_traffic)
    service = build_service(entry["service"])
    if service is not None:
        refuse_reference(entry)
    _check_gates(entry, stages)
    world = build_world(entry["world"]) if entry["world"] else World(0, ())
    templates = build_customers(entry, world)
    climb = build_climb(entry["stages"] or (), stages)
    if templates is not None:
        check_feeds(templates, climb)
        check_arrivals(entry, templates, stages)
        check_operations(entry, templates, entry["gates"])
        check_attempts(templates, _limits(entry["limits"]))
    return Scenario(
        name=entry["name"],
        path=path,
        locustfile=entry["locustfile"] or LOCUSTFILE,
        stages=stages,
        world=world,
        description=entry["description"],
        seed=entry["seed"],
        time_scale=entry["time_scale"],
        gates=entry["gates"],
        limits=_limits(entry["limits"]),
        backend=entry["backend"],
        chaos=entry["chaos"],
        parameters=entry["parameters"],
        steady_state=entry["steady_state"],
        aborts=entry["abort"],
        service=service,
        hosts=build_hosts(entry),
        marking=build_marking(entry["marking"]),
        calibrate_s=_calibrate_s(entry),
        templates=templates,
        climb=climb,
    )


def _stages(entry: Entry, awaits_traffic: bool) -> tuple[Stage, ...]:
    stages, traffic = entry["stages"], entry["traffic"]
    if stages is not None and traffic is not None:
        raise entry.at("traffic").fail(
            "the scenario has stages: traffic would take their place",
            remedy="use a scenario without stages, such as scenarios/recorded.yaml",
        )
    if stages is not None:
        return build_stages(stages)
    if traffic is None:
        raise entry.node.fail(
            "a scenario needs 'stages' (or 'traffic')",
            remedy="such as stages: [{name: rush, duration: 30s, arrivals: {buy: 40/s}}]",
        )
    if awaits_traffic and traffic["file"] is None:
        return (stage_without_traffic(traffic),)
    return (recorded_stage(traffic),)


def _calibrate_s(entry: Entry) -> float:
    """Seconds of calibration: as asked for, else for a staircase only."""
    asked: float | None = entry["calibrate"]
    if asked is not None:
        if asked and not LEAST_CALIBRATION_S <= asked <= LONGEST_CALIBRATION_S:
            raise entry.at("calibrate").fail(
                "a calibration takes 500ms to 30s", remedy="or 0s for none at all"
            )
        return asked
    return CALIBRATE_S if any(stage["staircase"] for stage in entry["stages"] or ()) else 0.0


def _limits(entry: Entry | None) -> Limits:
    if entry is None:
        return _DEFAULTS
    return Limits(
        in_flight=entry["in_flight"],
        request_timeout_s=entry["request_timeout"],
        max_attempts=entry["max_attempts"],
        drain_timeout_s=entry["drain_timeout"],
        rate_max=entry["rate_max"],
        workers=entry["workers"],
    )


def _check_gates(entry: Entry, stages: tuple[Stage, ...]) -> None:
    """A gate on a stage that does not exist would never fail."""
    names = [stage.name for stage in stages]
    nodes = entry.at("gates").content
    gates: tuple[Gate, ...] = entry["gates"]
    for gate, node in zip(gates, nodes if isinstance(nodes, list) else [], strict=False):
        if gate.stage and gate.stage not in names:
            raise node.fail(
                f"no stage {gate.stage!r}{did_you_mean(gate.stage, names)}",
                remedy=f"the stages are {', '.join(names)}",
            )
