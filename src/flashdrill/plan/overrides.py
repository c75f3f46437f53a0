"""`--set KEY=VALUE`: one value of a scenario from the command line, typed as in the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.plan.shapes import Free, Listing, Mapped, Shape
from flashdrill.plan.source import Node, Origin, Scalar, compose, did_you_mean
from flashdrill.plan.table import Table


def apply(document: Node, table: Table, overrides: Sequence[str]) -> Node:
    """The document with the values set; later ones win.

    Raises ConfigError, naming the argument, for a key that the table does not have.
    """
    for argument in overrides:
        key, separator, text = argument.partition("=")
        if not separator or not key:
            raise ConfigError(
                f"--set {argument}: expected KEY=VALUE", remedy="such as --set limits.in_flight=100"
            )
        keys = key.split(".")
        _check(table, keys, argument)
        document = _set(document, keys, _value(text, argument))
    return document


def _value(text: str, argument: str) -> Node:
    origin = Origin(None, Path.cwd(), argument)
    if not text.strip():
        return Node(origin, 0, "", Scalar("", "text"), {})
    return compose(text, origin)


def _check(table: Table, keys: list[str], argument: str) -> None:
    """Walk the tables along the key, so that a slip of the pen is never a silent no-op."""
    shape: Shape = table
    for depth, key in enumerate(keys):
        before = ".".join(keys[:depth])
        if isinstance(shape, Table):
            if key not in shape.fields:
                known = [f"{before}.{name}" if before else name for name in shape.fields]
                raise ConfigError(
                    f"--set {argument}: unknown key{did_you_mean('.'.join(keys[: depth + 1]), known)}",
                    remedy=f"there are {', '.join(known)}",
                )
            shape = shape.fields[key].shape
        elif isinstance(shape, Mapped):
            shape = shape.value
        elif not isinstance(shape, Free) or shape.is_flat:
            what = "a list" if isinstance(shape, Listing) else "a single value"
            raise ConfigError(
                f"--set {argument}: {before} is {what}, it has no {key!r}",
                remedy=f"set {before} as a whole, or change the file",
            )


def _set(node: Node, keys: list[str], value: Node) -> Node:
    key, *rest = keys
    if not isinstance(node.content, dict):
        raise value.fail(f"{node.name} is {node.described} in the file, not a mapping")
    if rest:
        empty = Node(value.origin, 0, "", {}, {})
        value = _set(node.content.get(key, empty), rest, value)
    return node.with_entry(key, value)
