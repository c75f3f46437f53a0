"""HTTP statuses, with a name for each where one is wanted: [409], or {409: sold_out}."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flashdrill.plan.shapes import Number, Text
from flashdrill.plan.source import Node

_STATUS = Number(100, 599)
_REASON = Text(r"^[a-z][a-z0-9_]{0,63}$", "a lower-case name such as sold_out")


@dataclass(frozen=True, slots=True)
class Statuses:
    """The shape of a list of statuses, or of a mapping to reasons; read as status → reason."""

    def read(self, node: Node) -> dict[int, str]:
        """The reason of each status; without one it is http_NNN."""
        if isinstance(node.content, dict):
            return {self._status(node, key): _REASON.read(v) for key, v in node.content.items()}
        if not isinstance(node.content, list):
            raise node.fail(
                f"expected statuses such as [200, 201] or {{409: sold_out}}, found {node.described}"
            )
        return {status: f"http_{status}" for status in map(_STATUS.read, node.content)}

    def schema(self) -> dict[str, Any]:
        """Either form."""
        named = {
            "type": "object",
            "propertyNames": {"pattern": "^[1-5][0-9][0-9]$"},
            "additionalProperties": _REASON.schema(),
        }
        return {"anyOf": [{"type": "array", "items": _STATUS.schema()}, named]}

    def _status(self, node: Node, key: str) -> int:
        if not (key.isascii() and key.isdigit() and 100 <= int(key) <= 599):
            raise node.fail(f"{key!r} is no status", key=key, remedy="such as {409: sold_out}")
        return int(key)
