"""A row of small bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = ".:-=+*%#"
"""For a terminal whose encoding lacks the others."""


def spark(values: Sequence[float | None], width: int, bars: str = BARS) -> str:
    """The last `width` values as bars from 0 to the largest of them; a gap where there is no value."""
    shown = list(values)[-width:] if width > 0 else []
    top = max((value for value in shown if value is not None), default=0.0)
    return "".join(_bar(value, top, bars) for value in shown)


def _bar(value: float | None, top: float, bars: str) -> str:
    if value is None:
        return " "
    share = value / top if top > 0 else 0.0
    return bars[min(len(bars) - 1, int(share * len(bars)))]
