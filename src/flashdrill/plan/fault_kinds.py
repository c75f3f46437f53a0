"""One fault of a plan: the keys that every fault has, and the parameters of its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from flashdrill.plan.moments import ExtentText, MomentText
from flashdrill.plan.shapes import (
    DURATION,
    RATE,
    SHARE,
    SIGNED_DURATION,
    SIZE,
    Flag,
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
    "int": Number(0, 2**53),
    "share": SHARE,
    "text": Text(),
    "flag": Flag(),
    "rate": RATE,
    "size": SIZE,
    "signed_duration": SIGNED_DURATION,
}
"""How each type of parameter is written; durations become seconds, rates per second."""


class Parameter(Protocol):
    """A parameter of a fault, as `flashdrill.chaos` declares it."""

    @property
    def type(self) -> str:
        """One of PARAMETER_SHAPES."""

    @property
    def description(self) -> str:
        """What it does."""

    @property
    def unit(self) -> str:
        """The base unit; of a text its choices, such as `downstream|upstream`."""

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
        return self._table(kind).read(node)

    def schema(self) -> dict[str, Any]:
        """One object for each kind."""
        kinds = []
        for kind in self._catalogue:
            document = self._table(kind).schema()
            document["properties"]["kind"]["const"] = kind
            kinds.append(document)
        return {"oneOf": kinds}

    def _table(self, kind: str) -> Table:
        parameters = self._catalogue[kind].parameters
        return Table(f"a fault of kind {kind}", {**COMMON, **_fields(parameters)})

    def _known(self) -> str:
        return ", ".join(self._catalogue)


COMMON: dict[str, Field] = {
    "id": Field(NAMED, "what reports, and other faults, call it", is_required=True),
    "kind": Field(Text(), "what is done", is_required=True),
    "target": Field(Text(), "to which part of the system", is_required=True),
    "at": Field(MomentText(), "when, such as rush + 4s", is_required=True),
    "for": Field(ExtentText(), "how long, such as 8s", is_required=True),
}


def _fields(parameters: Mapping[str, Parameter]) -> dict[str, Field]:
    return {
        name: Field(
            shape_of(parameter),
            parameter.description,
            is_required=parameter.is_required,
            default=parameter.default,
        )
        for name, parameter in parameters.items()
    }


def shape_of(parameter: Parameter) -> Shape:
    """How the parameter is written; a text that lists its choices takes no other."""
    if parameter.type == "text" and "|" in parameter.unit:
        choices = parameter.unit.split("|")
        return Text(rf"^({'|'.join(map(re.escape, choices))})$", " or ".join(choices))
    return PARAMETER_SHAPES[parameter.type]
