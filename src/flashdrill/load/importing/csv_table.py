"""Any CSV file with a column of times into a traffic model: one arrival for each row, or as many as a column counts.

    events   time, perhaps a label and a visitor: one arrival a row, at its time
    rates    time, a count and the period that it counts (`--count hits --period 1m`): so many, evenly over the period

The column of times is found when there is one only that can be it (`time_column`). Nothing is guessed when there are
two, or when a time names no zone.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError, NoZoneError, form_of, is_time
from flashdrill.load.importing.found import EMPTY, Found
from flashdrill.load.importing.rows import NOT_DECODED, SAID, SEPARATORS, Rows, said_separator
from flashdrill.load.importing.source import encoding_of, opened, text_lines
from flashdrill.load.importing.time_column import time_column
from flashdrill.model.traffic import TrafficModel

LABEL = "request"
"""What arrivals are called when no column says."""
SEEN_ROWS = 20
"""By so many rows the column of times is found."""
MOST_OF_A_ROW = 1_000_000
MOST_COUNTED = 200_000_000
"""Arrivals of all counts: they are kept in memory, eight bytes each."""
_COUNT = re.compile(r"0*([0-9]{1,7})(?:\.0)?")


@dataclass(frozen=True, slots=True)
class CsvForm:
    """What the user said of the file: names of columns, how times are written. What is empty is found, or not there.

    `time` may be of several columns, such as `date,time`.
    """

    time: str = ""
    labels: tuple[str, ...] = ()
    session: str = ""
    count: str = ""
    period_s: float = 0.0
    time_format: str = ""
    time_zone: str = ""
    separator: str = ""
    encoding: str = ""


def import_csv(
    path: Path, mapping: Sequence[str] = (), *, tolerance: float = 0.0, form: CsvForm | None = None
) -> TrafficModel:
    """The traffic model of a CSV file; `mapping` has items such as `Fetch*=browse`.

    Raises ConfigError, with the line, for a file without times, or that is damaged beyond `tolerance`.
    """
    found = read_csv(path, form or CsvForm())
    remedy = (
        "name the file's encoding, such as --encoding gb18030" if found.has(NOT_DECODED) else ""
    )
    return found.model(mapping, tolerance=tolerance, remedy=remedy)


def read_csv(path: Path, form: CsvForm) -> Found:
    """What is in a CSV file with a header, which may be packed by gzip. Raises ConfigError."""
    if bool(form.count) != bool(form.period_s):
        raise ConfigError(
            "--count and --period belong together", remedy="such as --count hits --period 1m"
        )
    if form.count and form.session:
        raise ConfigError(
            "--session tells of one request, and a row with a --count stands for many",
            remedy="leave --session out",
        )
    with opened(path) as file:
        return _Table(path, form).read(file)


class _Table:
    """Reads one file."""

    def __init__(self, path: Path, form: CsvForm) -> None:
        self._path = path
        self._form = form
        self._found = Found(path)
        self._header: list[str] = []
        self._clock: Clock | None = None
        self._time: tuple[int, ...] = ()
        self._labels: tuple[int, ...] = ()
        self._session = self._count = -1
        self._whole_ms = 60_000
        self._counted = 0
        self._last_ms = 0
        self._apart_ms = 0

    def read(self, file: BinaryIO) -> Found:
        encoding = encoding_of(file, self._form.encoding)
        with text_lines(file, encoding) as text:
            start = list(islice(text, SEEN_ROWS * 5))
            said = said_separator(start[0]) if start else ""
            start = start[1:] if said else start
            separator = self._form.separator or said or _separator(start)
            self._found.read_as(f"CSV with {NAMES.get(separator, separator)}", encoding)
            rows = Rows(chain(start, text), self._found, separator)
            if said:
                rows.pass_over(SAID)
            self._begin(rows)
        self._found.notes.extend(self._oddities())
        return self._found

    def _begin(self, rows: Rows) -> None:
        """The header and the first rows, which say what the columns are; then all rows."""
        early: list[tuple[int, list[str]]] = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                self._found.skip(EMPTY, rows.line)
            elif not self._header:
                self._header = [name.strip() for name in row]
                rows.width = len(row)
            elif [cell.strip() for cell in row] == self._header:
                self._found.skip("repeated headers", rows.line)
            elif len(row) != rows.width:
                rows.damage(_miscounted(len(row), rows.width))
            elif not self._time and len(early) < SEEN_ROWS:
                early.append((rows.line, row))
            else:
                self._settle(early)
                self._take(rows.line, row)
        self._settle(early)

    def _settle(self, early: list[tuple[int, list[str]]]) -> None:
        """Find the columns by the first rows, once, and take those."""
        if self._time or not early:
            return
        form = self._form
        if form.time:
            self._time = self._columns(form.time)
        else:
            self._time = (self._found_column([row for _, row in early]),)
            self._found.notes.append(
                f"times are those of the column {self._header[self._time[0]]!r}"
            )
        self._labels = tuple(map(self._column, form.labels))
        self._session = self._column(form.session) if form.session else -1
        self._count = self._column(form.count) if form.count else -1
        written = [self._text(row) for _, row in early]
        self._clock = Clock(
            form.time_format or self._usual_form(written),
            form.time_zone,
            takes_days=bool(form.count),
        )
        for line, row in early:
            self._take(line, row)

    def _take(self, line: int, row: list[str]) -> None:
        assert self._clock is not None
        try:
            at_ms = self._clock.ms(self._text(row))
        except NoZoneError as error:
            raise ConfigError(
                str(error),
                path=self._path,
                line=line,
                remedy="say where it is from: --time-zone Europe/Berlin, or UTC",
            ) from error
        except NoTimeError as error:
            self._found.damage(line, f"a time that is none: {error}")
            return
        label = " ".join(filter(None, (row[place].strip() for place in self._labels))) or LABEL
        if self._count >= 0:
            self._spread(line, label, at_ms, row[self._count].strip())
            return
        if at_ms % self._whole_ms:
            self._whole_ms = 1 if at_ms % 1000 else 1000
        visitor = row[self._session].strip() if self._session >= 0 else ""
        self._found.arrival(label, at_ms, visitor or None)

    def _spread(self, line: int, label: str, at_ms: int, count: str) -> None:
        """So many arrivals, evenly over the period that begins then."""
        found = _COUNT.fullmatch(count)
        if found is None or int(found[1]) > MOST_OF_A_ROW:
            self._found.damage(
                line, f"a count that is no whole number up to {MOST_OF_A_ROW}: {count[:40]!r}"
            )
            return
        hits = int(found[1])
        if not hits:
            self._found.skip("rows that count nothing", line)
        self._counted += hits
        if self._counted > MOST_COUNTED:
            raise ConfigError(
                f"over {MOST_COUNTED} arrivals up to here",
                path=self._path,
                line=line,
                remedy="import a part of the file, and replay it with `traffic.scale`",
            )
        self._measure(at_ms)
        period_ms = self._form.period_s * 1000
        for place in range(hits):
            self._found.arrival(label, at_ms + int((place + 0.5) / hits * period_ms))

    def _measure(self, at_ms: int) -> None:
        """How far rows are apart at least."""
        apart_ms, self._last_ms = at_ms - self._last_ms, at_ms
        if 0 < apart_ms < (self._apart_ms or at_ms):
            self._apart_ms = apart_ms

    def _oddities(self) -> Iterator[str]:
        """What is odd in the times, in sentences."""
        if self._time and self._count < 0 and self._whole_ms > 1:
            what, step = ("minutes", "1m") if self._whole_ms > 1000 else ("seconds", "1s")
            yield (
                f"times are whole {what}: the rows of one come together, unless --curve {step} spreads them over it"
            )
        if self._clock and self._clock.ambiguous:
            yield (
                f"{self._clock.ambiguous} times came twice, when clocks were put back: read as the first of the two"
            )
        apart_s, period_s = self._apart_ms / 1000, self._form.period_s
        if apart_s and apart_s != period_s:
            what = "their requests overlap" if apart_s < period_s else "there are none in between"
            yield f"rows are {apart_s:g} s apart, and --period is {period_s:g} s: {what}"

    def _text(self, row: list[str]) -> str:
        """The time of a row, as it is written."""
        return " ".join(row[place].strip() for place in self._time)

    def _found_column(self, rows: list[list[str]]) -> int:
        try:
            return time_column(
                self._header, rows, self._is_time, takes_numbers=bool(self._form.time_format)
            )
        except LookupError as error:
            raise ConfigError(
                str(error.args[0]),
                path=self._path,
                line=1,
                remedy=f"name it, with --time; the columns are: {', '.join(self._header)[:200]}",
            ) from error

    def _is_time(self, text: str) -> bool:
        return is_time(text, self._form.time_format, takes_days=bool(self._form.count))

    def _usual_form(self, texts: list[str]) -> str:
        """How most of these times are written."""
        forms = Counter(form_of(text) for text in texts if self._is_time(text))
        return forms.most_common(1)[0][0] if forms else form_of(texts[0])

    def _columns(self, names: str) -> tuple[int, ...]:
        """One column, or several with commas between them."""
        return tuple(
            map(self._column, (names,) if names in self._header else filter(None, names.split(",")))
        )

    def _column(self, name: str) -> int:
        if self._header.count(name) == 1:
            return self._header.index(name)
        problem = (
            f"two columns are called {name!r}" if name in self._header else f"no column {name!r}"
        )
        raise ConfigError(
            f"{problem}; the header has: {', '.join(self._header)[:200]}", path=self._path, line=1
        )


NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}


def _separator(start: list[str]) -> str:
    header = next((line for line in start if line.strip()), "")
    return max(SEPARATORS, key=lambda separator: _width(header, separator))


def _width(header: str, separator: str) -> int:
    """Into how many columns it parts the header."""
    try:
        return len(next(csv.reader([header], delimiter=separator), []))
    except csv.Error:
        return 0


def _miscounted(found: int, wanted: int) -> str:
    why = "is the line cut off?" if found < wanted else "is a separator unquoted?"
    return f"another number of columns than the header has: {found} in the place of {wanted}; {why}"
