"""Values that are drawn by chance within bounds: `100ms..400ms`, `1..5`, `10%..50%`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from flashdrill.plan.quantities import NUMBER
from flashdrill.plan.shapes import Number, Quantity, Shape
from flashdrill.plan.source import Node, Scalar

DOTS = r"\s*\.\.\s*"
_DIGITS = 6
"""Of what is drawn, so that it can be read: microseconds."""


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`; whole numbers between whole bounds."""

    low: float
    high: float

    def at(self, place: float) -> float:
        """The value at a place from 0 (low) to 1 (high)."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return min(self.high, self.low + int(place * (self.high - self.low + 1)))
        value = round(self.low + place * (self.high - self.low), _DIGITS)
        return min(self.high, max(self.low, value))


@dataclass(frozen=True, slots=True)
class Ranged:
    """A quantity or a number, or a range of it."""

    shape: Shape

    def read(self, node: Node) -> Any:
        """The value, or the Range. Raises ConfigError."""
        ends = _ends(node)
        if ends is None:
            return self.shape.read(node)
        low, high = (self.shape.read(_part(node, end)) for end in ends)
        if low > high:
            raise node.fail(f"{node.described}: the first is the larger of the two")
        return Range(low, high)

    def schema(self) -> dict[str, Any]:
        """Either of the two."""
        single = self.shape.schema()
        forms = single.get("anyOf", [single])
        ends = "|".join(_written(form) for form in forms)
        return {"anyOf": [*forms, {"type": "string", "pattern": f"^(?:{ends}){DOTS}(?:{ends})$"}]}


def can_be_drawn(shape: Shape) -> bool:
    """Whether a range of such values makes sense."""
    return isinstance(shape, Quantity | Number)


def _ends(node: Node) -> list[str] | None:
    if not isinstance(node.content, Scalar) or ".." not in node.content.text:
        return None
    return re.split(DOTS, node.content.text.strip(), maxsplit=1)


def _part(node: Node, text: str) -> Node:
    is_whole = re.fullmatch(r"-?[0-9_]+", text)
    return replace(node, content=Scalar(text, "int" if is_whole else "text"))


def _written(form: dict[str, Any]) -> str:
    if "pattern" in form:
        return str(form["pattern"]).removeprefix("^").removesuffix("$")
    return "[0-9]+" if form["type"] == "integer" else NUMBER
