"""`summary.json`: one document with a schema of its own, for people's scripts and CI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flashdrill.model.capacity import Capacity
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Bottleneck,
    Conclusion,
    GateResult,
    Invariant,
    NotChecked,
    RunResult,
    StageValidity,
)
from flashdrill.model.steady_state import Aborted, SteadyResult
from flashdrill.report.meanings import MEANINGS
from flashdrill.report.parts import PARTS

SCHEMA_ID = "flashdrill-summary/1"
_REF = "#/$defs/{name}"


class Audit(msgspec.Struct, frozen=True):
    """The invariants, and what was read to judge them."""

    invariants: tuple[Invariant, ...]
    drain_s: float | None = None
    final_reads: Mapping[str, Any] = {}
    not_checked: tuple[NotChecked, ...] = ()


class Summary(msgspec.Struct, frozen=True):
    """The top-level keys of `summary.json`. Times in seconds since the run's start unless named otherwise."""

    schema: str
    verdict: Conclusion
    reasons: tuple[str, ...]
    exit_code: int
    scenario: Mapping[str, Any]
    chaos: Mapping[str, Any]
    seed: int
    started_at: str
    duration_s: float
    load: Mapping[str, Any]
    stages: tuple[Mapping[str, Any], ...]
    faults: tuple[FaultRecord, ...]
    steady_state: tuple[SteadyResult, ...]
    aborted: Aborted | None
    audit: Audit
    bottleneck: Bottleneck
    capacity: Capacity
    gates: tuple[GateResult, ...]
    validity: tuple[StageValidity, ...]
    environment: Mapping[str, Any]


def summarise(result: RunResult) -> Summary:
    """The document of a run."""
    return Summary(
        schema=SCHEMA_ID,
        verdict=result.verdict.conclusion,
        reasons=result.verdict.reasons,
        exit_code=result.verdict.exit_code,
        scenario=result.scenario,
        chaos=result.chaos,
        seed=result.seed,
        started_at=result.started_at,
        duration_s=round(result.duration_s, 3),
        load={
            **result.load,
            "operations": [msgspec.to_builtins(o) for o in result.operations],
            "errors": [msgspec.to_builtins(e) for e in result.errors],
            "slowest": [msgspec.to_builtins(o) for o in result.slowest],
            "closed_loop": [msgspec.to_builtins(c) for c in result.closed_loop],
        },
        stages=result.stages,
        faults=result.faults,
        steady_state=result.steady_state,
        aborted=result.aborted,
        audit=Audit(
            invariants=result.invariants,
            drain_s=result.audit.get("drain_s"),
            final_reads=result.audit.get("final_reads", {}),
            not_checked=result.not_checked,
        ),
        bottleneck=result.bottleneck,
        capacity=result.capacity,
        gates=result.gates,
        validity=result.validity,
        environment={**result.environment, "command": result.command},
    )


def write_summary(result: RunResult, path: Path) -> None:
    """Write the document, indented, with a final newline."""
    text = msgspec.json.format(msgspec.json.encode(summarise(result)), indent=2)
    path.write_bytes(text + b"\n")


def summary_schema() -> dict[str, Any]:
    """The JSON Schema of `summary.json`, with the meaning of every key."""
    _, components = msgspec.json.schema_components((Summary, *PARTS.values()), ref_template=_REF)
    for place, part in PARTS.items():
        name, _, key = place.partition(".")
        found = components[name]["properties"][key]
        if found.get("type") == "array":
            found["items"] = {"$ref": _REF.format(name=part.__name__)}
        else:
            components[name]["properties"][key] = {"$ref": _REF.format(name=part.__name__)}
    for name, component in components.items():
        for key, document in component.get("properties", {}).items():
            document["description"] = MEANINGS.get(name, {}).get(key, "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flashdrill summary",
        "$ref": _REF.format(name=Summary.__name__),
        "$defs": components,
    }
