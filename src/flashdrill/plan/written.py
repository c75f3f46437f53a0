"""A single value as it was written: a text, a number or a flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flashdrill.plan.shapes import scalar_of
from flashdrill.plan.source import Node


@dataclass(frozen=True, slots=True)
class Written:
    """The shape of a text that may also be written as a number or a flag."""

    def read(self, node: Node) -> str:
        """The text."""
        return scalar_of(node, "a text").text

    def schema(self) -> dict[str, Any]:
        """A single value."""
        return {"type": ["string", "number", "boolean"]}
