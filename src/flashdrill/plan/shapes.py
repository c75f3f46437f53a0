"""The shapes that values in a file can have. Each one reads a Node, and describes itself as JSON Schema.

The tables of a scenario, a plan and a traffic model are built from these, so what the parser takes
and what `flashdrill schema` says cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flashdrill.plan import quantities
from flashdrill.plan.source import Node, Scalar

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
"""Names of stages, faults and journeys."""

_WHOLE = re.compile(r"-?(0|[1-9](_?[0-9]){0,17})")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class Shape(Protocol):
    """What a value must look like."""

    def read(self, node: Node) -> Any:
        """The value in its own type. Raises ConfigError with the place and what was expected."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the same."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `pattern` is a whole-text regular expression, `hint` says it in words.

    What `may_be_secret` is not repeated in a message.
    """

    pattern: str = ""
    hint: str = ""
    may_be_secret: bool = False

    def read(self, node: Node) -> str:
        """The text."""
        scalar = scalar_of(node, "a text")
        if scalar.kind != "text":
            raise node.fail(f"expected a text, found {node.described}", remedy="put it in quotes")
        if self.pattern and not re.fullmatch(self.pattern, scalar.text):
            what = "it" if self.may_be_secret else repr(scalar.text)
            raise node.fail(f"{what} is not {self.hint}")
        return scalar.text

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string", **({"pattern": self.pattern} if self.pattern else {})}


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`; a whole one becomes an int."""

    low: float
    high: float
    is_whole: bool = True
    is_low_excluded: bool = False

    def read(self, node: Node) -> Any:
        """The number."""
        what = "a whole number" if self.is_whole else "a number"
        scalar = scalar_of(node, what)
        form = _WHOLE if self.is_whole else _NUMBER
        if scalar.kind not in {"int", "float"} or not form.fullmatch(scalar.text):
            raise node.fail(f"expected {what}, found {node.described}")
        value = int(scalar.text) if self.is_whole else float(scalar.text)
        if value > self.high or value < self.low or (self.is_low_excluded and value == self.low):
            start = "over" if self.is_low_excluded else "from"
            raise node.fail(f"{scalar.text} is out of range: {start} {self.low:g} to {self.high:g}")
        return value

    def schema(self) -> dict[str, Any]:
        """An integer or a number with its bounds."""
        low = "exclusiveMinimum" if self.is_low_excluded else "minimum"
        kind = "integer" if self.is_whole else "number"
        return {"type": kind, low: self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, node: Node) -> bool:
        """The truth value."""
        scalar = scalar_of(node, "true or false")
        if scalar.kind != "bool" or scalar.text not in {"true", "false"}:
            raise node.fail(f"expected true or false, found {node.described}")
        return scalar.text == "true"

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit, such as a duration; `is_zero_allowed` False asks for more than nothing."""

    what: str
    parse: Callable[[str], float | int]
    forms: tuple[Mapping[str, Any], ...]
    is_zero_allowed: bool = True

    def read(self, node: Node) -> Any:
        """The quantity in its base unit: seconds, per second, a share, bytes, cents."""
        scalar = scalar_of(node, f"a {self.what}")
        if self.what == "price" and scalar.kind != "text":
            raise node.fail(
                f"expected a price in quotes, found {node.described}",
                remedy=f'write "{scalar.text}": YAML would make a binary float of it',
            )
        try:
            value = self.parse(scalar.text)
        except ValueError as error:
            raise node.fail(str(error)) from error
        if not value and not self.is_zero_allowed:
            raise node.fail(f"expected a {self.what} above zero, found {node.described}")
        return value

    def schema(self) -> dict[str, Any]:
        """A string of that form (a share may be a number)."""
        first, *others = self.forms
        return {"anyOf": [dict(form) for form in self.forms]} if others else dict(first)


def _written(what: str) -> Mapping[str, Any]:
    return {"type": "string", "pattern": quantities.PATTERNS[what]}


DURATION = Quantity("duration", quantities.parse_duration, (_written("duration"),))
RECORDED = Quantity("duration", quantities.parse_recorded_duration, (_written("duration"),))
SIGNED_DURATION = Quantity(
    "duration", quantities.parse_signed_duration, (_written("signed_duration"),)
)
SOME_TIME = Quantity(
    "duration",
    quantities.parse_duration,
    ({"type": "string", "pattern": f"^(?=.*[1-9]){quantities.PATTERNS['duration'][1:]}"},),
    is_zero_allowed=False,
)
RATE = Quantity("rate", quantities.parse_rate, (_written("rate"),))
SIZE = Quantity("size", quantities.parse_size, (_written("size"),))
PRICE = Quantity("price", quantities.parse_price, (_written("price"),))
SHARE = Quantity(
    "share",
    quantities.parse_share,
    (_written("percentage"), {"type": "number", "minimum": 0, "maximum": 1}),
)


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path, relative to the file it is written in; one given by --set is relative to the cwd."""

    must_exist: bool = True

    def read(self, node: Node) -> Path:
        """The path. Raises ConfigError when no such file exists."""
        path = node.origin.folder / Text().read(node)
        if self.must_exist and not path.is_file():
            raise node.fail(f"no such file: {path}", remedy="check the path")
        return path

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of values of one shape."""

    item: Shape
    least: int = 0

    def read(self, node: Node) -> tuple[Any, ...]:
        """The values."""
        if not isinstance(node.content, list):
            raise node.fail(f"expected a list, found {node.described}")
        if len(node.content) < self.least:
            raise node.fail(f"expected at least {self.least} entry, found none")
        return tuple(self.item.read(entry) for entry in node.content)

    def schema(self) -> dict[str, Any]:
        """An array."""
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.item.schema(), **least}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping from names that the user chooses to values of one shape."""

    value: Shape
    key_pattern: str = ""
    key_hint: str = ""

    def read(self, node: Node) -> dict[str, Any]:
        """The values by name."""
        entries = mapping_of(node)
        for key in entries:
            if self.key_pattern and not re.fullmatch(self.key_pattern, key):
                raise node.fail(f"{key!r} is not {self.key_hint}", key=key)
        return {key: self.value.read(entry) for key, entry in entries.items()}

    def schema(self) -> dict[str, Any]:
        """An object with any keys, or with keys of the pattern."""
        names = {"propertyNames": {"pattern": self.key_pattern}} if self.key_pattern else {}
        return {"type": "object", "additionalProperties": self.value.schema(), **names}


@dataclass(frozen=True, slots=True)
class Free:
    """Any value that JSON can carry; `is_flat` allows single values only."""

    is_flat: bool = False

    def read(self, node: Node) -> Any:
        """The value as plain Python data. Durations stay texts."""
        if isinstance(node.content, Scalar):
            return _plain(node, node.content)
        if self.is_flat:
            raise node.fail(f"expected a single value, found {node.described}")
        if isinstance(node.content, list):
            return [self.read(entry) for entry in node.content]
        return {key: self.read(entry) for key, entry in node.content.items()}

    def schema(self) -> dict[str, Any]:
        """Anything, or a scalar."""
        return {"type": ["string", "number", "boolean", "null"]} if self.is_flat else {}


def scalar_of(node: Node, expected: str) -> Scalar:
    """The single value that a node is; an empty one counts as missing."""
    if not isinstance(node.content, Scalar) or node.content.kind == "null":
        raise node.fail(f"expected {expected}, found {node.described}")
    return node.content


def mapping_of(node: Node) -> dict[str, Node]:
    """The entries of a mapping."""
    if not isinstance(node.content, dict):
        raise node.fail(f"expected a mapping, found {node.described}")
    return node.content


def _plain(node: Node, scalar: Scalar) -> Any:
    if scalar.kind == "null":
        return None
    if scalar.kind == "bool":
        return Flag().read(node)
    if scalar.kind in {"int", "float"}:
        is_whole = scalar.kind == "int"
        return Number(-1e15, 1e15, is_whole).read(node)
    return scalar.text
