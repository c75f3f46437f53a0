"""The column of times of a CSV file, found when there is one only that can be it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flashdrill.load.importing.clock import ISO, form_of

LIKELY = frozenset(
    {
        *("time", "timestamp", "@timestamp", "ts", "date", "datetime", "at", "when", "_time"),
        *("start", "start_time", "started_at", "event_time", "created_at", "requested_at"),
    }
)


def time_column(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    is_time: Callable[[str], bool],
    *,
    takes_numbers: bool = False,
) -> int:
    """Its place: of the columns called so most of which is times; else of those all of which is times in words.

    Numbers in a column that is not called so are no times unless it `takes_numbers`: they may be ids. Raises
    LookupError, which says why there is none.
    """
    if any(map(is_time, header)):
        raise LookupError(
            "the first line has a time in it: put a line with the names of the columns in front"
        )
    places = range(len(header))
    called = [place for place in places if header[place].lower() in LIKELY]
    shares = {place: _share([row[place].strip() for row in rows], is_time) for place in places}
    fits = [place for place in called if shares[place] > 0.5]
    fits = fits or [place for place in places if shares[place] == 1]
    names = ", ".join(repr(header[place]) for place in fits)
    if len(fits) > 1:
        raise LookupError(f"several columns could be the times: {names}")
    if not fits:
        raise LookupError("no column of times was found")
    is_number = any(form_of(row[fits[0]].strip()) != ISO for row in rows)
    if fits[0] not in called and (called or is_number) and not takes_numbers:
        raise LookupError(
            f"no column is called a time and has times; those of {names} may be something else"
        )
    return fits[0]


def _share(cells: Sequence[str], is_time: Callable[[str], bool]) -> float:
    """How many of the cells that have something in them are times."""
    full = [cell for cell in cells if cell]
    return sum(map(is_time, full)) / len(full) if full else 0.0
