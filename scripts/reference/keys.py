"""The keys of a table, in a table: made from what the parser itself reads by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flashdrill.plan.arrivals import Counts, Times
from flashdrill.plan.conditions import ConditionText
from flashdrill.plan.fault_kinds import FaultEntry, TargetNames
from flashdrill.plan.gates import GateText
from flashdrill.plan.guards import HostShape
from flashdrill.plan.moments import ExtentText, MomentText
from flashdrill.plan.quantities import format_duration, format_rate, format_share, format_size
from flashdrill.plan.rates import RateShape
from flashdrill.plan.service import Address, SecretTable
from flashdrill.plan.shapes import (
    NAME,
    FilePath,
    Flag,
    Free,
    Listing,
    Mapped,
    Number,
    Quantity,
    Shape,
    Text,
)
from flashdrill.plan.statuses import Statuses
from flashdrill.plan.steady_state import Conditions, SteadyStateShape
from flashdrill.plan.steps import Span, StepShape
from flashdrill.plan.table import Table
from flashdrill.plan.traffic import Moment
from flashdrill.plan.world import UsersShape
from flashdrill.plan.written import Written
from flashdrill.report.tables import table

HEAD = ("key", "form", "default", "meaning", "example")
VALUES = "scenario.md#how-values-are-written"
CONDITION = "[condition](../concepts/steady-state.md#conditions)"


@dataclass(frozen=True, slots=True)
class Keys:
    """A table of keys, and an example for each of them as YAML."""

    table: Table
    examples: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """One row for each key, in the order of the parser."""
        yield from table(HEAD, (self._row(key) for key in self.table.fields))

    def _row(self, key: str) -> tuple[str, ...]:
        field = self.table.fields[key]
        default = "**required**" if field.is_required else default_of(field.shape, field.default)
        return f"`{key}`", form_of(field.shape), default, field.description, self._example(key)

    def _example(self, key: str) -> str:
        example = self.examples[key]
        return f"`{example}`" if example else "see below"


def form_of(shape: Shape) -> str:
    """How a value is written, in words."""
    form = FORMS[type(shape)]
    return form if isinstance(form, str) else form(shape)


def default_of(shape: Shape, value: Any) -> str:
    """A default as a file would have it."""
    if isinstance(shape, Table):
        return "–"
    if value is None or value in ((), {}, ""):
        return "none"
    written: Any = value
    if isinstance(shape, Quantity):
        formats = {
            "duration": format_duration,
            "rate": format_rate,
            "share": format_share,
            "size": format_size,
        }
        written = formats[shape.what](float(value))
    if isinstance(value, bool):
        written = str(value).lower()
    return f"`{written:g}`" if isinstance(written, float) else f"`{written}`"


def anchor(noun: str) -> str:
    """The anchor of the heading `a product` or `limits`."""
    return noun.replace(" ", "-")


def section(noun: str, keys: Keys) -> Iterator[str]:
    """A heading and its keys."""
    yield f"## {noun[0].upper()}{noun[1:]}"
    yield ""
    yield from keys.lines()


def _bare(noun: str) -> str:
    return noun.removeprefix("a ").removeprefix("the ")


def _number(shape: Number) -> str:
    kind = "whole number" if shape.is_whole else "number"
    low = "over" if shape.is_low_excluded else "from"
    return f"{kind}, {low} {_plain(shape.low)} to {_plain(shape.high)}"


def _plain(value: float) -> str:
    if value >= 2**53:
        return "2⁵³"
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else f"{value:g}"


def _text(shape: Text) -> str:
    if shape.pattern == NAME:
        return "name"
    if shape.pattern.startswith("^(") and shape.hint:
        return " or ".join(f"`{choice}`" for choice in shape.hint.split(" or "))
    return shape.hint or "text"


FORMS: Mapping[type, str | Callable[[Any], str]] = {
    Table: lambda shape: f"[{_bare(shape.noun)}](#{anchor(shape.noun)})",
    SecretTable: lambda shape: f"[{_bare(shape.noun)}](#{anchor(shape.noun)})",
    Listing: lambda shape: f"list: {form_of(shape.item)}",
    Mapped: lambda shape: f"mapping: name → {form_of(shape.value)}",
    Number: _number,
    Quantity: lambda shape: (
        f"[{shape.what}]({VALUES}){'' if shape.is_zero_allowed else ', above zero'}"
    ),
    Text: _text,
    Address: _text,
    Free: lambda shape: "text, number or flag" if shape.is_flat else "any value",
    Flag: "`true` or `false`",
    FilePath: "path, relative to this file",
    HostShape: "name or address, without scheme and port",
    UsersShape: "whole number, from 1 to 100 000 000, or [users](#the-users)",
    GateText: "[gate](gates.md)",
    ConditionText: CONDITION,
    Conditions: f"{CONDITION}, or list of them",
    SteadyStateShape: f"{CONDITION}, list of them, or [steady state](scenario.md#a-steady-state)",
    MomentText: "[moment](#when-it-happens)",
    ExtentText: f"[duration]({VALUES}), or a share of what `at` names",
    TargetNames: "[target](#targets), or list of them",
    RateShape: (
        f"[rate]({VALUES}), [ramp](#a-ramp), [spike](#a-spike), [wave](#a-wave), or list of [points](#a-point)"
    ),
    FaultEntry: "[fault](#keys-of-every-fault)",
    Statuses: "list of statuses, or mapping: status → name",
    StepShape: "name of a request, or [pause](#a-pause)",
    Span: f"[duration]({VALUES}), or two with `..` between them",
    Written: "text, number or flag",
    Times: "list of whole numbers that ascend",
    Counts: "list of whole numbers",
    Moment: "UTC time",
}
"""Every shape that the parser knows; one that is missing here is an error."""
