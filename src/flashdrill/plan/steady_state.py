"""`steady_state:` and `abort:` of a scenario or a plan: what must hold around the faults, and what ends a run early."""

from __future__ import annotations

from typing import Any

from flashdrill.model.condition import Condition
from flashdrill.model.steady_state import BACK_WITHIN_S, SteadyState
from flashdrill.plan.conditions import ConditionText
from flashdrill.plan.shapes import SOME_TIME, Listing
from flashdrill.plan.source import Node
from flashdrill.plan.table import Field, Table


class Conditions:
    """The shape of one condition or of several."""

    _several = Listing(ConditionText(), least=1)

    def read(self, node: Node) -> tuple[Condition, ...]:
        """The conditions. Raises ConfigError."""
        if isinstance(node.content, list):
            return self._several.read(node)
        return (ConditionText().read(node),)

    def schema(self) -> dict[str, Any]:
        """A string or a list of strings."""
        return {"anyOf": [ConditionText().schema(), self._several.schema()]}


STEADY_STATE = Table(
    "a steady state",
    {
        "conditions": Field(Conditions(), "what holds while all is well", is_required=True),
        "back_within": Field(
            SOME_TIME,
            "how long after the last fault it may take until they hold again",
            default=BACK_WITHIN_S,
        ),
    },
)


class SteadyStateShape:
    """The shape of a steady state: conditions, or a mapping with them."""

    def read(self, node: Node) -> SteadyState:
        """The steady state. Raises ConfigError."""
        if not isinstance(node.content, dict):
            return SteadyState(Conditions().read(node))
        entry = STEADY_STATE.read(node)
        return SteadyState(entry["conditions"], entry["back_within"])

    def schema(self) -> dict[str, Any]:
        """A string, a list of strings, or an object."""
        return {"anyOf": [*Conditions().schema()["anyOf"], STEADY_STATE.schema()]}


FIELDS = {
    "steady_state": Field(
        SteadyStateShape(),
        "conditions that must hold before the first fault, and again soon after the last",
    ),
    "abort": Field(
        Conditions(), "conditions of which each ends the run early, as a failure", default=()
    ),
}
"""What a scenario and a plan have in common."""
