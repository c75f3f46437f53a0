"""One fault of a plan: the keys that every fault has, and the parameters of its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from flashdrill.errors import ConfigError
from flashdrill.plan.conditions import ConditionText
from flashdrill.plan.moments import ExtentText, MomentText
from flashdrill.plan.ranges import Ranged, can_be_drawn
from flashdrill.plan.shapes import (
    DURATION,
    RATE,
    SHARE,
    SIGNED_DURATION,
    SIZE,
    SOME_TIME,
    Flag,
    Listing,
    Number,
    Shape,
    Text,
    mapping_of,
)
from flashdrill.plan.source import Node, did_you_mean
from flashdrill.plan.stages import NAMED
from flashdrill.plan.table import Entry, Field, Table

PARAMETER_SHAPES: dict[str, Shape] = {
    "duration": DURATION,
    "share": SHARE,
    "text": Text(),
    "flag": Flag(),
    "rate": RATE,
    "size": SIZE,
    "signed_duration": SIGNED_DURATION,
}
"""How each other type of parameter is written; durations become seconds, rates per second."""
MOST = 1000
"""Repetitions of a line, and targets of one."""


class Parameter(Protocol):
    """A parameter of a fault, as `flashdrill.chaos` declares it."""

    @property
    def type(self) -> str:
        """int, or one of PARAMETER_SHAPES."""

    @property
    def description(self) -> str:
        """What it does."""

    @property
    def unit(self) -> str:
        """The base unit; of a text its choices, such as `downstream|upstream`."""

    @property
    def least(self) -> int:
        """The lowest of an int."""

    @property
    def most(self) -> int:
        """The highest of an int."""

    @property
    def default(self) -> Any:
        """Its value when it is not given."""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""


class FaultKind(Protocol):
    """A kind of fault, as `flashdrill.chaos` declares it (a class of its own)."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters by name."""

    @property
    def target_kinds(self) -> frozenset[str]:
        """What it can be done to: postgres, redis, http, process."""


class FaultEntry:
    """The shape of one fault; which keys it has depends on its kind."""

    def __init__(self, catalogue: Mapping[str, FaultKind]) -> None:
        self._catalogue = catalogue

    def read(self, node: Node) -> Entry:
        """The fault with every parameter of its kind. Raises ConfigError."""
        entries = mapping_of(node)
        if "kind" not in entries:
            raise node.fail(f"a fault needs 'kind': one of {self._known()}")
        kind = Text().read(entries["kind"])
        if kind not in self._catalogue:
            raise entries["kind"].fail(
                f"no fault {kind!r}{did_you_mean(kind, self._catalogue)}",
                remedy=f"there are {self._known()}",
            )
        entry = self._table(kind).read(node)
        _check(entry)
        return entry

    def schema(self) -> dict[str, Any]:
        """One object for each kind."""
        kinds = []
        for kind in self._catalogue:
            document = self._table(kind).schema()
            document["properties"]["kind"]["const"] = kind
            kinds.append({**document, **_RULES})
        return {"oneOf": kinds}

    def _table(self, kind: str) -> Table:
        parameters = self._catalogue[kind].parameters
        if taken := COMMON.keys() & parameters.keys():
            raise ConfigError(
                f"the kind {kind!r} has a parameter {min(taken)!r}: every fault has that key",
                remedy="call the parameter something else",
            )
        return Table(f"a fault of kind {kind}", {**COMMON, **_fields(parameters)})

    def _known(self) -> str:
        return ", ".join(self._catalogue)


class TargetNames:
    """The shape of a target, or of a list of different ones."""

    def read(self, node: Node) -> tuple[str, ...]:
        """The names. Raises ConfigError."""
        if not isinstance(node.content, list):
            return (Text().read(node),)
        names: tuple[str, ...] = Listing(Text(), least=1).read(node)
        for number, name in enumerate(names):
            if name in names[:number]:
                raise node.content[number].fail(f"{name!r} is named twice")
        return names

    def schema(self) -> dict[str, Any]:
        """A string, or an array of them."""
        several = {**Listing(Text(), least=1).schema(), "uniqueItems": True}
        return {"anyOf": [Text().schema(), several]}


COMMON: dict[str, Field] = {
    "id": Field(NAMED, "what reports, and other faults, call it", is_required=True),
    "kind": Field(Text(), "what is done", is_required=True),
    "target": Field(
        TargetNames(), "to which part of the system, or a list to draw from", is_required=True
    ),
    "choose": Field(Number(1, MOST), "how many targets of the list, at once; without it one"),
    "at": Field(MomentText(), "when, such as rush + 4s; each fault has this or `when`"),
    "when": Field(ConditionText(), "at which condition, instead of at which time"),
    "after": Field(MomentText(), "from when `when` is looked at; without it from the run's start"),
    "until": Field(
        MomentText(), "until when `when` is looked at; without it while the fault fits into the run"
    ),
    "optional": Field(
        Flag(), "whether the run can tell even if `when` never comes true", default=False
    ),
    "for": Field(ExtentText(), "how long, such as 8s", is_required=True),
    "repeat": Field(Number(2, MOST), "how often it is made"),
    "every": Field(SOME_TIME, "how long from one start to the next"),
}
"""The keys that every fault has; no parameter of a kind is called so."""

_NEEDS = {
    "after": "when",
    "until": "when",
    "optional": "when",
    "repeat": "every",
    "every": "repeat",
}
_RULES: dict[str, Any] = {
    "oneOf": [{"required": ["at"]}, {"required": ["when"]}],
    "dependentRequired": {key: [other] for key, other in _NEEDS.items()},
    "dependentSchemas": {"choose": {"properties": {"target": {"type": "array"}}}},
}


def _check(entry: Entry) -> None:
    """Raise ConfigError for keys that do not go together."""
    given = mapping_of(entry.node)
    if "at" not in given and "when" not in given:
        raise entry.node.fail(
            "a fault needs 'at' or 'when'",
            remedy="a time such as `at: rush + 4s`, or a condition such as `when: rate(place_order) > 300/s`",
        )
    if "at" in given and "when" in given:
        raise given["when"].fail(
            "a fault has 'at' or 'when', not both", remedy="remove one of them"
        )
    for key, other in _NEEDS.items():
        if key in given and other not in given:
            raise given[key].fail(f"{key!r} needs {other!r}: {COMMON[other].description}")
    if "choose" in given and not isinstance(given["target"].content, list):
        raise given["choose"].fail("'choose' needs a list of targets to choose from")
    if (entry["choose"] or 1) > len(entry["target"]):
        raise given["choose"].fail(
            f"{entry['choose']} targets cannot be chosen of {len(entry['target'])}"
        )


def _fields(parameters: Mapping[str, Parameter]) -> dict[str, Field]:
    return {
        name: Field(
            _drawable(shape_of(parameter)),
            parameter.description,
            is_required=parameter.is_required,
            default=parameter.default,
        )
        for name, parameter in parameters.items()
    }


def _drawable(shape: Shape) -> Shape:
    return Ranged(shape) if can_be_drawn(shape) else shape


def shape_of(parameter: Parameter) -> Shape:
    """How the parameter is written; a text that lists its choices takes no other."""
    if parameter.type == "text" and "|" in parameter.unit:
        choices = parameter.unit.split("|")
        return Text(rf"^({'|'.join(map(re.escape, choices))})$", " or ".join(choices))
    if parameter.type == "int":
        return Number(parameter.least, parameter.most)
    return PARAMETER_SHAPES[parameter.type]
