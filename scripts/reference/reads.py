"""reads.md: what the final reads of somebody's own service must give, and what each invariant needs of them."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.audit.contract import CONTRACT, Column
from flashdrill.audit.scope import NEEDS, Needs
from flashdrill.report.tables import table

NOUNS = {
    "orders": "one row for each order",
    "lines": "one row for each line of an order, when an order can have several",
    "stock": "one row for each product, or for each place that has some of it",
    "movements": "one row for each change of stock",
    "money": "one row for each line of the ledger of money",
    "payments": "one row for each payment",
}


def lines() -> Iterator[str]:
    """The page."""
    yield "# Final reads"
    yield ""
    yield (
        "What `service.reads` of a [scenario](scenario.md#final-reads) must give, by SQL or by HTTP. "
        "[Your own service](../own-service.md) says how they are declared. A column that is not here is refused, "
        "and so is a null in a required one. Whole numbers must be whole: money is in cents. Ids may be of any type; "
        "they are compared as texts."
    )
    yield ""
    for read, columns in CONTRACT.items():
        yield f"## {read}"
        yield ""
        yield f"{NOUNS[read][0].upper()}{NOUNS[read][1:]}."
        yield ""
        rows = (
            (f"`{name}`", column.kind, _default(column), column.meaning)
            for name, column in columns.items()
        )
        yield from table(("column", "type", "when it is left out", "meaning"), rows)
    yield "## drained"
    yield ""
    yield "One number: how much waits to be done. 0 means that nothing does."
    yield ""
    yield "## What each invariant needs"
    yield ""
    yield (
        "With these columns it is checked; without one of them it is listed as not checked. When a declared read fails "
        "it is unknown. An order with `sku` and `quantity` of its own stands for its one line, when `lines` is not "
        "declared."
    )
    yield ""
    yield from table(
        ("invariant", "columns", "of the history"),
        ((f"`{name}`", _columns(needs), _history(needs)) for name, needs in NEEDS.items()),
    )


def _default(column: Column) -> str:
    if column.is_required:
        return "**required**"
    if column.default in (None, "", 0):
        return "not looked at"
    return f"`{column.default}`"


def _columns(needs: Needs) -> str:
    words = [f"`{column}`" for column in needs.all_of]
    if needs.any_of:
        words.append(f"one of {', '.join(f'`{column}`' for column in needs.any_of)}")
    return ", ".join(words)


def _history(needs: Needs) -> str:
    if not needs.kind:
        return "–"
    carrying = (
        f", each with {', '.join(f'`{name}`' for name in needs.fields)}" if needs.fields else ""
    )
    return f"operations `{needs.kind}`{carrying}"
