"""Any CSV file with a column of times into a traffic model: one arrival for each row, or as many as a column counts.

    events   time, perhaps a label and a visitor: one arrival a row, at its time
    rates    time, a count and the period that it counts (`--count hits --period 1m`): so many, evenly over the period

The column of times is found when there is one only that can be it. Nothing is guessed when there are two, or when a
time names no zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError, NoZoneError, form_of
from flashdrill.load.importing.found import EMPTY, Found
from flashdrill.load.importing.rows import NOT_DECODED, SEPARATORS, Rows
from flashdrill.load.importing.source import encoding_of, opened, text_lines
from flashdrill.model.traffic import TrafficModel

LABEL = "request"
"""What arrivals are called when no column says."""
SEEN_ROWS = 20
"""By so many rows the column of times is found."""
MOST_OF_A_ROW = 1_000_000
LIKELY = (
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "date",
    "datetime",
    "at",
    "created_at",
    "start",
    "started_at",
)


@dataclass(frozen=True, slots=True)
class CsvForm:
    """What the user said of the file: names of columns, how times are written. What is empty is found, or not there."""

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
        self._time = self._session = self._count = -1
        self._labels: tuple[int, ...] = ()
        self._is_whole_seconds = not form.count

    def read(self, file: BinaryIO) -> Found:
        try:
            encoding = encoding_of(file, self._form.encoding)
        except LookupError as error:
            raise ConfigError(
                f"--encoding {self._form.encoding}: there is no such encoding"
            ) from error
        with text_lines(file, encoding) as text:
            start = list(islice(text, SEEN_ROWS * 5))
            separator = self._form.separator or _separator(start)
            self._found.read_as(f"CSV with {NAMES.get(separator, separator)}", encoding)
            rows = Rows(chain(start, text), self._found, separator)
            self._begin(rows)
        if self._is_whole_seconds:
            self._found.notes.append(
                "times are whole seconds: the rows of one come together, unless --curve 1s spreads them over it"
            )
        if self._clock and self._clock.ambiguous:
            self._found.notes.append(
                f"{self._clock.ambiguous} times came twice, when clocks were put back: read as the first of the two"
            )
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
            elif row == self._header:
                self._found.skip("repeated headers", rows.line)
            elif len(row) != rows.width:
                rows.damage(_miscounted(len(row), rows.width))
            elif self._time < 0 and len(early) < SEEN_ROWS:
                early.append((rows.line, row))
            else:
                self._settle(early)
                self._take(rows.line, row)
        self._settle(early)

    def _settle(self, early: list[tuple[int, list[str]]]) -> None:
        """Find the columns by the first rows, once, and take those."""
        if self._time >= 0 or not early:
            return
        self._time = self._column(self._form.time) if self._form.time else self._likely(early)
        self._labels = tuple(map(self._column, self._form.labels))
        self._session = self._column(self._form.session) if self._form.session else -1
        self._count = self._column(self._form.count) if self._form.count else -1
        first = next((row[self._time].strip() for _, row in early if row[self._time].strip()), "")
        self._clock = Clock(self._form.time_format or form_of(first), self._form.time_zone)
        if not self._form.time:
            self._found.notes.append(f"times are those of the column {self._header[self._time]!r}")
        for line, row in early:
            self._take(line, row)

    def _take(self, line: int, row: list[str]) -> None:
        assert self._clock is not None
        try:
            at_ms = self._clock.ms(row[self._time].strip())
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
        self._is_whole_seconds = self._is_whole_seconds and at_ms % 1000 == 0
        label = " ".join(row[place].strip() for place in self._labels) or LABEL
        if self._count >= 0:
            self._spread(line, label, at_ms, row[self._count].strip())
            return
        self._found.arrival(label, at_ms, row[self._session] if self._session >= 0 else None)

    def _spread(self, line: int, label: str, at_ms: int, count: str) -> None:
        """So many arrivals, evenly over the period that begins then."""
        if not (count.isascii() and count.isdigit() and int(count) <= MOST_OF_A_ROW):
            self._found.damage(
                line, f"a count that is no whole number up to {MOST_OF_A_ROW}: {count[:40]!r}"
            )
            return
        if count == "0":
            self._found.skip("rows that count nothing", line)
        period_ms = self._form.period_s * 1000
        for place in range(int(count)):
            self._found.arrival(label, at_ms + int((place + 0.5) / int(count) * period_ms))

    def _likely(self, early: list[tuple[int, list[str]]]) -> int:
        """The one column that can be the times. Raises ConfigError when there is none, or more than one."""
        fits = [place for place in range(len(self._header)) if _is_time(early, place)]
        named = [place for place in fits if self._header[place].lower() in LIKELY]
        if len(named or fits) != 1:
            names = ", ".join(repr(self._header[place]) for place in named or fits)
            what = (
                f"several columns could be the times: {names}"
                if names
                else "no column of times was found"
            )
            raise ConfigError(
                what,
                path=self._path,
                line=1,
                remedy=f"name it, with --time; the columns are: {', '.join(self._header)[:200]}",
            )
        return (named or fits)[0]

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


def _is_time(early: list[tuple[int, list[str]]], place: int) -> bool:
    """Whether every early row has a time there, or what would be one in some zone."""
    cells = [row[place].strip() for _, row in early if row[place].strip()]
    return bool(cells) and all(map(_may_be_time, cells))


def _may_be_time(text: str) -> bool:
    try:
        Clock(form_of(text)).ms(text)
    except NoZoneError:
        return True
    except NoTimeError:
        return False
    return True


def _separator(start: list[str]) -> str:
    header = next((line for line in start if line.strip()), "")
    return max(SEPARATORS, key=header.count)


def _miscounted(found: int, wanted: int) -> str:
    why = "is the line cut off?" if found < wanted else "is a separator unquoted?"
    return f"another number of columns than the header has: {found} in the place of {wanted}; {why}"
