"""Numbers and answers in words, the same in every report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from flashdrill.model.trouble import FaultImpact

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Every control character but the tab and the line's end."""

SMALL_PER_S = 100.0
"""Below that a rate has a decimal."""


def seconds(value: float | None) -> str:
    """A time for people: `1.42 s`, `83 ms`, `0.4 ms`; a dash when nothing was measured."""
    if value is None or not isfinite(value):
        return "–"
    size = abs(value)
    if size >= 0.9995:
        return f"{value:.2f} s"
    if size == 0:
        return "0 s"
    if size < 0.00005:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1000:.0f} ms" if size >= 0.01 else f"{value * 1000:.1f} ms"


def span(seconds: int) -> str:
    """Whole seconds as a duration that a scenario takes: `90s`, `15m`, `6h`."""
    for unit_s, unit in ((3600, "h"), (60, "m")):
        if seconds and not seconds % unit_s:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"


def share(value: float | None) -> str:
    """A share as a percentage; one that is not quite none, or not quite all, does not look like it."""
    if value is None or not isfinite(value):
        return "–"
    if 0 < value < 0.00005:
        return "< 0.01 %"
    if 0.99995 <= value < 1:
        return "> 99.99 %"
    return f"{value * 100:.2f} %"


def count(value: float | None) -> str:
    """A count with thin groups."""
    return "–" if value is None else f"{value:,.0f}".replace(",", " ")


def rate(per_s: float | None) -> str:
    """A rate as a number: whole, unless it is small."""
    if per_s is None or per_s >= SMALL_PER_S:
        return count(per_s)
    return f"{per_s:.1f}".removesuffix(".0")


def measured(value: float | None, unit: str) -> str:
    """A gate's value in its unit (`s`, `share`, `per_s`)."""
    if unit == "s":
        return seconds(value)
    if unit == "share":
        return share(value)
    return "–" if value is None else f"{value:.1f}/s"


def printable(text: str) -> str:
    """A text without control characters: what a service said cannot move the cursor or forge a verdict."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def yes(answer: bool) -> str:
    """Yes or no."""
    return "yes" if answer else "no"


def facts(found: Mapping[str, Any], *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts, such as a fault's evidence or the environment, as (name, text) pairs for people."""
    for key, value in found.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from facts(value, prefix=name)
        elif value not in ("", None, ()):
            yield name, _fact(value)


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return yes(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else count(value)
    if isinstance(value, list | tuple):
        return ", ".join(_fact(item) for item in value)
    return str(value)


def impact(seen: FaultImpact | None) -> str:
    """What customers saw of a fault, in a sentence."""
    if seen is None:
        return "–"
    if not seen.operations:
        return "no operation was open"
    ends = {
        "acknowledged": seen.ok,
        "queued": seen.queued,
        "refused": seen.refused,
        "failed": seen.fail,
        "unknown": seen.info,
    }
    told = [f"{count(number)} {word}" for word, number in ends.items() if number]
    retried = f"; {count(seen.retried)} came again" if seen.retried else ""
    return (
        f"{count(seen.operations)} operations: {', '.join(told)}{retried}; "
        f"p99 {seconds(seen.p99_s)} (before: {seconds(seen.p99_before_s)})"
    )
