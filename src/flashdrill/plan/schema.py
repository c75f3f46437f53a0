"""JSON Schema of the files that people write, from the same tables that read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flashdrill.plan.faults import plan_table
from flashdrill.plan.known import known_faults
from flashdrill.plan.scenario import scenario_schema
from flashdrill.plan.templates import templates_schema
from flashdrill.plan.traffic import TRAFFIC

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "scenario": scenario_schema,
    "plan": lambda: plan_table(known_faults()).schema(),
    "traffic": TRAFFIC.schema,
    "requests": templates_schema,
}


def schema_for(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a `scenario`, a `plan`, a `traffic` or a `requests` file."""
    return {"$schema": _DIALECT, "title": f"flashdrill {kind}", **KINDS[kind]()}
