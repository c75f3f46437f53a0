"""A recording's rate as rows of small bars, in text.

              0                   6h                  12h
all           ▁▁▁▂▂▂▃▄▅▅▆▇█▇▅▄▃▂▂▁▁▁▁▂▂▃▄▅█▆▅▃▂▁▁▁   up to 2 130/s
GET /product  ▁▁▁▂▂▂▃▄▅▅▆▇█▇▅▄▃▂▂▁▁▁▁▂▂▃▄▅▆▆▅▃▂▁▁▁   up to 1 880/s
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count as counting

from rich.cells import cell_len, set_cell_size

from flashdrill.cli.live.spark import ASCII_BARS, BARS, spark
from flashdrill.model.rate_curve import STRETCHES_S, RateCurve
from flashdrill.report.wording import count, span

ALL = "all"
WIDEST_NAME = 28
FEWEST_COLUMNS = 10
ROOM_BESIDE = 22
"""The margins, and what the tallest bar stands for."""
BETWEEN_TICKS = 10


def bars_for(encoding: str) -> str:
    """Bars that a terminal of this encoding can show."""
    try:
        BARS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII_BARS
    return BARS


def columns_of(width: int, names: Sequence[str]) -> int:
    """How many bars there is room for on a page of this width, beside these names."""
    return max(FEWEST_COLUMNS, width - _name_width(names) - ROOM_BESIDE)


def rate_plot(curve: RateCurve, bars: str = BARS) -> Iterator[str]:
    """The lines: how to read them, the times, all arrivals, and a row for each label of the curve."""
    names = [shown(label) for label in curve.labels]
    width = _name_width(names)
    column = (
        "one second" if curve.stretch_s == 1 else f"the busiest second of {span(curve.stretch_s)}"
    )
    yield f"arrivals a second, by time since the first: each column is {column}"
    yield f"{'':{width}}  {_axis(len(curve.total), curve.stretch_s)}"
    for name, values in zip((ALL, *names), (curve.total, *curve.labels.values()), strict=True):
        row = spark([value or None for value in values], len(values), bars)
        yield f"{set_cell_size(fitted(name, width), width)}  {row}  up to {count(max(values))}/s"


def shown(label: str) -> str:
    """A label as it can be printed: what moves the cursor, or cannot be seen, is written as its escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in label
    )


def fitted(text: str, width: int) -> str:
    """A text of at most so many columns; one that was cut ends in two dots."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 2).rstrip() + ".."


def _name_width(names: Sequence[str]) -> int:
    return min(WIDEST_NAME, max(map(cell_len, (ALL, *names))))


def _axis(columns: int, stretch_s: int) -> str:
    """Times since the first arrival, each over the column in which it is."""
    tick_s = next(
        (s for s in STRETCHES_S if s >= stretch_s * BETWEEN_TICKS and not s % stretch_s),
        stretch_s * BETWEEN_TICKS,
    )
    line = ""
    for at_s in counting(0, tick_s):
        column = at_s // stretch_s
        if column >= columns:
            return line
        line = f"{line:{column}}{span(at_s)}"
    return line
