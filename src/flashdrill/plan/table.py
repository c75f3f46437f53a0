"""A mapping with known keys: fields, which of them are required, and what unknown ones are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flashdrill.plan.shapes import Shape, mapping_of
from flashdrill.plan.source import Node, did_you_mean


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table. A field that is absent gets `default`, unless it is required."""

    shape: Shape
    description: str
    is_required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A table that was read: the values by key, and the node for errors about them."""

    node: Node
    values: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def at(self, key: str) -> Node:
        """The node of a key, or of the whole table when the key is absent."""
        return mapping_of(self.node).get(key, self.node)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with these fields and no others; `noun` is what messages call it."""

    noun: str
    fields: dict[str, Field]

    def read(self, node: Node) -> Entry:
        """The values; unknown and missing keys are refused."""
        entries = mapping_of(node)
        refuse_unknown(node, self.fields, self.noun)
        for key, field in self.fields.items():
            if field.is_required and key not in entries:
                raise node.fail(f"{self.noun} needs {key!r}: {field.description}")
        return Entry(
            node,
            {
                key: field.shape.read(entries[key]) if key in entries else field.default
                for key, field in self.fields.items()
            },
        )

    def schema(self) -> dict[str, Any]:
        """An object that has these properties and no others."""
        properties = {
            key: {"description": field.description, **field.shape.schema()}
            for key, field in self.fields.items()
        }
        required = [key for key, field in self.fields.items() if field.is_required]
        needs = {"required": required} if required else {}
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            **needs,
        }


def refuse_unknown(node: Node, known: dict[str, Any], noun: str) -> None:
    """Raise ConfigError for the first key that is not known, with the closest one that is."""
    for key in mapping_of(node):
        if key not in known:
            raise node.fail(
                f"unknown key {key!r} in {noun}{did_you_mean(key, known)}",
                key=key,
                remedy=f"it takes {', '.join(known)}",
            )
