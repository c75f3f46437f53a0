"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flashdrill.report.wording import printable

_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The table's lines and an empty one; a cell may hold any text of one line."""
    columns = list(head)
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def plain_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of texts that somebody else wrote."""
    return table(head, (map(plain, row) for row in rows))


def plain(text: str) -> str:
    """A text as one line in which no HTML begins: what a service or a log said cannot become part of the page."""
    return _TAG.sub(r"\\<", printable(" ".join(text.split())))
