"""summary.md: the keys of summary.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flashdrill.report.summary import summary_schema
from flashdrill.report.tables import table

TITLES = {
    "Summary": "Top level",
    "RunScenario": "scenario",
    "RunChaos": "chaos",
    "Load": "load",
    "Generator": "load.generator",
    "LoadWorker": "load.generator.workers",
    "OperationStats": "load.operations",
    "Percentiles": "Percentiles",
    "ErrorKind": "load.errors",
    "ClosedLoop": "load.closed_loop",
    "SlowOperation": "load.slowest",
    "AttemptTimes": "load.slowest.attempts",
    "RunStage": "stages",
    "FaultRecord": "faults",
    "FaultImpact": "faults.impact",
    "SteadyResult": "steady_state",
    "Breach": "steady_state.broken",
    "Aborted": "aborted",
    "Audit": "audit",
    "Invariant": "audit.invariants",
    "FinalReads": "audit.final_reads",
    "NotChecked": "audit.not_checked",
    "Bottleneck": "bottleneck",
    "ResourceUse": "bottleneck.ranking",
    "Capacity": "capacity",
    "Calibration": "capacity.generator",
    "Knee": "capacity.knee",
    "Step": "capacity.knee.steps",
    "GateResult": "gates",
    "StageValidity": "validity",
    "Environment": "environment",
}
"""The types in the order in which a reader meets them, and where in the document they are."""


def lines() -> Iterator[str]:
    """The page."""
    yield "# summary.json"
    yield ""
    yield (
        "What a run has found, for scripts and CI: one document in each run's folder. `flashdrill schema summary` "
        "prints its JSON Schema. Times are in seconds unless the key says another unit; shares are from 0 to 1; `null` "
        "means that nothing was measured."
    )
    yield ""
    yield "```console"
    yield "$ jq '.verdict, .exit_code' reports/latest/summary.json"
    yield "$ jq -r '.audit.invariants[] | select(.status != \"holds\") | .name' reports/latest/summary.json"
    yield "```"
    yield ""
    components = summary_schema()["$defs"]
    for name, title in TITLES.items():
        yield from _section(components, name, title)


def _section(components: dict[str, Any], name: str, title: str) -> Iterator[str]:
    component = components[name]
    yield f"## {title}"
    yield ""
    rows = (
        (f"`{key}`", form_of(document, components), document["description"])
        for key, document in component["properties"].items()
    )
    yield from table(("key", "form", "meaning"), rows)


def form_of(document: dict[str, Any], components: dict[str, Any]) -> str:
    """How a value is written, in words."""
    if "$ref" in document:
        return _named(document["$ref"].rpartition("/")[2], components)
    if "anyOf" in document:
        return " or ".join(form_of(one, components) for one in document["anyOf"])
    if document.get("type") == "array":
        return f"list: {form_of(document['items'], components)}"
    if document.get("type") == "object":
        inner = document.get("additionalProperties")
        return f"mapping: {form_of(inner, components)}" if isinstance(inner, dict) else "mapping"
    words = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}
    kind = str(document.get("type", "any value"))
    return words.get(kind, kind)


def _named(name: str, components: dict[str, Any]) -> str:
    if "enum" in components[name]:
        return ", ".join(f"`{choice}`" for choice in components[name]["enum"])
    title = TITLES[name]
    return f"[{title}](#{title.lower().replace('.', '').replace(' ', '-')})"
