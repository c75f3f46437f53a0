"""Conditions: `METRIC(OPERATION) > LIMIT [for DURATION]`, such as `rate(place_order) > 300/s for 3s`.

They are written as gates are, without a stage; `recovery` and `drain` are known only when the load is over.
"""

from __future__ import annotations

import re
from typing import Any

from flashdrill.model.condition import Condition
from flashdrill.plan.gates import FORMS, parse_gate
from flashdrill.plan.quantities import PATTERNS, parse_duration
from flashdrill.plan.shapes import scalar_of
from flashdrill.plan.source import Node

_FOR = rf"\s+for\s+({PATTERNS['duration'].strip('^$')})"
_DURING = r"(?:\s+during\s+([A-Za-z][A-Za-z0-9_-]*))?$"
_OF_THE_RUN = {"recovery", "drain"}
_FORM = "METRIC(OPERATION) > LIMIT [for DURATION], such as rate(place_order) > 300/s for 3s"


class ConditionText:
    """The shape of one condition in a file."""

    def read(self, node: Node) -> Condition:
        """The condition. Raises ConfigError."""
        text = scalar_of(node, f"a condition: {_FORM}").text.strip()
        try:
            return parse_condition(text)
        except ValueError as error:
            raise node.fail(str(error)) from error

    def schema(self) -> dict[str, Any]:
        """A string of one of the forms."""
        forms = [form for what, form in FORMS.items() if what != "the whole run"]
        written = [form.removesuffix(_DURING) + f"(?:{_FOR})?$" for form in forms]
        return {"type": "string", "anyOf": [{"pattern": form} for form in written]}


def parse_condition(text: str) -> Condition:
    """The condition that a text stands for. Raises ValueError with what was expected."""
    held = re.search(rf"{_FOR}$", text)
    try:
        gate = parse_gate(text[: held.start()] if held else text)
    except ValueError as error:
        words = str(error).replace(" is not a gate", " is not a condition").replace("in gate", "in")
        raise ValueError(re.sub(r"expected METRIC.*", f"expected {_FORM}", words)) from error
    if gate.metric in _OF_THE_RUN:
        raise ValueError(f"{text!r}: {gate.metric} is known only when the load is over")
    if gate.stage:
        raise ValueError(f"{text!r} is not a condition: a gate has `during`; expected {_FORM}")
    return Condition(
        text=text,
        metric=gate.metric,
        operation=gate.operation,
        comparator=gate.comparator,
        limit=gate.limit,
        for_s=parse_duration(held[1]) if held else 0.0,
    )
