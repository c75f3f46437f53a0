"""A step of a journey: the name of a request, or a time to think."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flashdrill.model.templates import Step
from flashdrill.plan import quantities
from flashdrill.plan.shapes import NAME, Text, scalar_of
from flashdrill.plan.source import Node
from flashdrill.plan.table import Field, Table

_REQUEST = Text(NAME, "the name of a request")
_DURATION = quantities.PATTERNS["duration"].removeprefix("^").removesuffix("$")


@dataclass(frozen=True, slots=True)
class Span:
    """The shape of a duration, or of two with `..` between them; read as (from, to) in seconds."""

    def read(self, node: Node) -> tuple[float, float]:
        """The bounds. Raises ConfigError."""
        low, dots, high = scalar_of(node, "a duration or a range of them").text.partition("..")
        try:
            low_s = quantities.parse_duration(low.strip())
            high_s = quantities.parse_duration(high.strip()) if dots else low_s
        except ValueError as error:
            raise node.fail(str(error), remedy="such as 1s..3s") from error
        if high_s < low_s:
            raise node.fail("the range ends before it begins", remedy="such as 1s..3s")
        return low_s, high_s

    def schema(self) -> dict[str, Any]:
        """A string."""
        one = f"(?:{_DURATION})"
        return {"type": "string", "pattern": rf"^{one}(?:\s*\.\.\s*{one})?$"}


THINK = Table("a pause", {"think": Field(Span(), "how long a customer thinks", is_required=True)})


@dataclass(frozen=True, slots=True)
class StepShape:
    """The shape of one step."""

    def read(self, node: Node) -> Step:
        """The step. Raises ConfigError."""
        if isinstance(node.content, dict):
            low_s, high_s = THINK.read(node)["think"]
            return Step("", low_s, high_s)
        return Step(_REQUEST.read(node))

    def schema(self) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [_REQUEST.schema(), THINK.schema()]}
