"""A row of the screen, and how it matters when there is no room for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

LABEL = 12
"""How wide the names at the left edge are."""

Piece = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A line; those of the highest rank are left out first."""

    text: Text
    rank: int = 0


def row(label: str, *pieces: Piece, rank: int = 0) -> Row:
    """A line with its name at the left edge."""
    return Row(Text.assemble((f" {label}".ljust(LABEL), "dim"), *pieces), rank)


def fit(rows: Sequence[Row], height: int) -> list[Text]:
    """As many of the rows as there is room for, in their order: the most important ones, of equals the first."""
    by_rank = sorted(range(len(rows)), key=lambda index: (rows[index].rank, index))
    kept = set(by_rank[: max(height, 0)])
    return [r.text for index, r in enumerate(rows) if index in kept]
