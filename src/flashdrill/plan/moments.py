"""When a fault happens: `ANCHOR[.start|.end] [+|- OFFSET]`, or a plain time.

    12s                   since the run's start
    rush + 4s             after a stage's start
    rush.end - 2s         before its end
    recorded + 10%        a tenth of the stage in
    shard-timeout + 5s    after another fault's start (.end: after it is healed)
    rush + 2s..8s         anywhere between the two, drawn by chance

A percentage is a share of the anchor's duration; of the whole run when there is no anchor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flashdrill.plan.quantities import NUMBER, parse_duration, parse_share
from flashdrill.plan.ranges import DOTS, Range
from flashdrill.plan.shapes import scalar_of
from flashdrill.plan.source import Node

_SINGLE = rf"{NUMBER}(?:ms|s|m|h|%)"
_EXTENT = rf"{_SINGLE}(?:{DOTS}{_SINGLE})?"
EXTENT_PATTERN = rf"^{_EXTENT}$"
MOMENT_PATTERN = (
    rf"^(?:({_EXTENT})|([A-Za-z][A-Za-z0-9_-]*)(?:\.(start|end))?"
    rf"(?:(\s*\+\s*|\s+-\s+)({_EXTENT}))?)$"
)
_FORM = "a time such as 12s, or a stage or fault with an offset: rush + 4s, rush.end - 2s"


@dataclass(frozen=True, slots=True)
class Extent:
    """A length: seconds, or a share of something else's length; with `most`, chance draws between the two."""

    amount: float
    is_share: bool = False
    most: float | None = None

    def of(self, whole_s: float, place: float = 0.0) -> float:
        """Seconds; of a range those at a place from 0 (the shortest) to 1 (the longest)."""
        amount = self.amount if self.most is None else Range(self.amount, self.most).at(place)
        return amount * whole_s if self.is_share else amount


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a stage or a fault lasts, in seconds since the run's start."""

    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A time relative to an anchor; without one, to the run's start."""

    anchor: str
    is_from_end: bool
    offset: Extent
    is_before: bool = False

    def within(self, span: Span, place: float = 0.0) -> float:
        """Seconds since the run's start, given the anchor's span (or the run's).

        Of a range those at a place from 0 (the earliest) to 1 (the latest).
        """
        base = span.start_s + (span.duration_s if self.is_from_end else 0.0)
        offset = self.offset.of(span.duration_s, 1.0 - place if self.is_before else place)
        return base - offset if self.is_before else base + offset

    def spread_s(self, whole_s: float) -> float:
        """From the earliest to the latest, in seconds."""
        return self.offset.of(whole_s, 1.0) - self.offset.of(whole_s, 0.0)

    @property
    def is_drawn(self) -> bool:
        """Whether chance has a say."""
        return self.offset.most is not None


class MomentText:
    """The shape of a moment in a file."""

    def read(self, node: Node) -> Moment:
        """The moment. Raises ConfigError."""
        text = scalar_of(node, _FORM).text.strip()
        try:
            return parse_moment(text)
        except ValueError as error:
            raise node.fail(str(error)) from error

    def schema(self) -> dict[str, Any]:
        """A string of that form."""
        return {"type": "string", "pattern": MOMENT_PATTERN}


class ExtentText:
    """The shape of a length in a file: a duration or a percentage, above zero."""

    def read(self, node: Node) -> Extent:
        """The length. Raises ConfigError."""
        text = scalar_of(node, "a duration such as 8s, or a percentage").text
        try:
            extent = parse_extent(text)
        except ValueError as error:
            raise node.fail(str(error)) from error
        if not extent.amount:
            raise node.fail(f"expected a duration above zero, found {node.described}")
        return extent

    def schema(self) -> dict[str, Any]:
        """A string of that form."""
        return {"type": "string", "pattern": EXTENT_PATTERN}


def parse_extent(text: str) -> Extent:
    """A duration or a percentage, or a range of either. Raises ValueError with what was expected."""
    if ".." in text:
        return _range(text)
    if text.endswith("%"):
        return Extent(parse_share(text), is_share=True)
    return Extent(parse_duration(text))


def _range(text: str) -> Extent:
    bounds = re.split(DOTS, text.strip())
    if len(bounds) != 2:
        raise ValueError(f"{text!r} is not a range: expected two bounds, such as 2s..8s")
    low, high = map(parse_extent, bounds)
    if low.is_share is not high.is_share:
        raise ValueError(f"{text!r} mixes a duration with a percentage")
    if low.amount > high.amount:
        raise ValueError(f"{text!r}: the first is the larger of the two")
    return Extent(low.amount, low.is_share, high.amount)


def parse_moment(text: str) -> Moment:
    """The moment that a text stands for. Raises ValueError with what was expected."""
    match = re.fullmatch(MOMENT_PATTERN, text)
    if match is None:
        raise ValueError(_explain(text))
    plain, anchor, edge, sign, offset = (match[1], match[4], match[5], match[6], match[7])
    if plain is not None:
        return Moment("", is_from_end=False, offset=parse_extent(plain))
    extent = parse_extent(offset) if offset else Extent(0.0)
    return Moment(anchor, edge == "end", extent, is_before=bool(sign) and sign.strip() == "-")


def _explain(text: str) -> str:
    edge = re.search(r"\.([A-Za-z]+)", text)
    if edge and edge[1] not in {"start", "end"}:
        return f"{text!r}: a stage or a fault has .start and .end, not .{edge[1]}"
    offset = re.fullmatch(r"\S+\s*[+-]\s*(\S+)", text)
    if offset and not re.fullmatch(EXTENT_PATTERN, offset[1]):
        return f"{text!r}: {offset[1]!r} is not an offset; expected something like 800ms, 4s or 10%"
    return f"{text!r} is not a moment; expected {_FORM}"
