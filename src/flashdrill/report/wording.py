"""Numbers and answers in words, the same in every report."""

from __future__ import annotations


def seconds(value: float | None) -> str:
    """A time for people: `1.42 s`, `83 ms`, `0.4 ms`; a dash when nothing was measured."""
    if value is None:
        return "–"
    if abs(value) >= 1:
        return f"{value:.2f} s"
    if value == 0:
        return "0 s"
    return f"{value * 1000:.0f} ms" if abs(value) >= 0.01 else f"{value * 1000:.1f} ms"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{value * 100:.2f} %"


def count(value: float | None) -> str:
    """A count with thin groups."""
    return "–" if value is None else f"{value:,.0f}".replace(",", " ")


def measured(value: float | None, unit: str) -> str:
    """A gate's value in its unit (`s`, `share`, `per_s`)."""
    if unit == "s":
        return seconds(value)
    if unit == "share":
        return share(value)
    return "–" if value is None else f"{value:.1f}/s"


def yes(answer: bool) -> str:
    """Yes or no."""
    return "yes" if answer else "no"
