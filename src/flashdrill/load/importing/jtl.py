"""JMeter's result file into a traffic model: one arrival for each sample, at its `timeStamp`.

CSV, with the columns found by the names in the header, in any order (JMeter manual, "Listeners: CSV log format"), and
XML (`jtl_xml`). The file is streamed. A row that cannot be used is damaged, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError, NoZoneError, form_of
from flashdrill.load.importing.found import EMPTY, Found
from flashdrill.load.importing.jtl_xml import is_xml, read_xml
from flashdrill.load.importing.rows import NOT_DECODED, SAID, SEPARATORS, Rows, said_separator
from flashdrill.load.importing.source import encoding_of, opened, text_lines
from flashdrill.load.importing.transactions import SEVERAL, SUMS, UNKNOWN, Transactions
from flashdrill.model.traffic import TrafficModel

TIME, LABEL = "timeStamp", "label"
_MATTERING = (TIME, LABEL, "threadName", "Hostname", "responseMessage", "SampleCount")
USUAL = (
    *("timeStamp", "elapsed", "label", "responseCode", "responseMessage", "threadName", "dataType"),
    *("success", "failureMessage", "bytes", "sentBytes", "grpThreads", "allThreads", "URL"),
    *("Latency", "IdleTime", "Connect"),
)
"""The columns of a JMeter that was not told otherwise (jmeter.save.saveservice.* of version 5)."""
NAMES = {"\t": "tabs", ",": "commas"}
_FIRST_TIME = re.compile(
    r'"?[0-9][0-9/:T. -]*[0-9](?:,[0-9]{3}(?=[;\t|]))?"?(?P<separator>[,;\t|])'
)


@dataclass(frozen=True, slots=True)
class JtlForm:
    """What the user said of the file. What is empty is found in the file itself."""

    separator: str = ""
    encoding: str = ""
    columns: tuple[str, ...] = ()
    time_format: str = ""
    time_zone: str = ""
    transactions: Transactions = Transactions.SKIP
    takes_sub_results: bool = False


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns are that matter; a column that is not there is at -1."""

    names: tuple[str, ...]
    time: int
    label: int
    thread: int
    host: int
    message: int
    samples: int


def import_jtl(
    path: Path, mapping: Sequence[str] = (), *, tolerance: float = 0.0, form: JtlForm | None = None
) -> TrafficModel:
    """The traffic model of a JMeter result file; `mapping` has items such as `Fetch*=browse`.

    Raises ConfigError, with the line, for a file that is not one, or that is damaged beyond `tolerance`.
    """
    return model_of_jtl(read_jtl(path, form or JtlForm()), mapping, tolerance)


def read_jtl(path: Path, form: JtlForm) -> Found:
    """What is in a JMeter result file, which may be packed by gzip. Raises ConfigError for one that is none."""
    with opened(path) as file:
        if is_xml(file):
            found = Found(path, "samples")
            read_xml(
                file,
                path,
                found,
                form.encoding,
                transactions=form.transactions,
                takes_sub_results=form.takes_sub_results,
            )
            return found
        return _Csv(path, form).read(file)


def model_of_jtl(found: Found, mapping: Sequence[str] = (), tolerance: float = 0.0) -> TrafficModel:
    """The traffic model of what was found. Raises ConfigError."""
    remedies = {
        NOT_DECODED: "name the file's encoding, such as --encoding gb18030",
        SEVERAL: "let JMeter write each sample: mode=Standard",
        SUMS: "take the transactions: --transactions only",
    }
    remedy = "; ".join(remedies[reason] for reason in remedies if found.has(reason))
    return found.model(mapping, tolerance=tolerance, remedy=remedy)


class _Csv:
    """Reads one CSV file."""

    def __init__(self, path: Path, form: JtlForm) -> None:
        self._path = path
        self._form = form
        self._found = Found(path)
        self._columns: _Columns | None = None
        self._clock: Clock | None = None

    def read(self, file: BinaryIO) -> Found:
        """What is in it. Raises ConfigError."""
        encoding = encoding_of(file, self._form.encoding)
        with text_lines(file, encoding) as text:
            start = list(islice(text, 1))
            said = said_separator(start[0]) if start else ""
            first, lines = _first(text if said else _chained(start, text))
            separator = self._form.separator or said or _separator(first)
            self._found.read_as(f"CSV with {NAMES.get(separator, separator)}", encoding)
            rows = Rows(lines, self._found, separator)
            rows.is_plausible = self._is_plausible
            if said:
                rows.pass_over(SAID)
            for row in rows:
                self._take(row, rows)
        if not rows.has_end:
            self._found.notes.append(
                "the last line has no end, which JMeter writes: was the file cut off there?"
            )
        if self._clock and self._clock.ambiguous:
            self._found.notes.append(
                f"{self._clock.ambiguous} times came twice, when clocks were put back: read as the first of the two"
            )
        return self._found

    def _take(self, row: list[str], rows: Rows) -> None:
        columns = self._columns
        if columns is None or len(row) != len(columns.names):
            self._take_odd(row, rows)
            return
        try:
            at_ms = self._ms(row[columns.time], rows.line)
        except NoTimeError as error:
            if not self._is_heading(row, rows):
                rows.damage(f"a {TIME} that is none: {error}", is_whole=True)
            return
        message = row[columns.message] if columns.message >= 0 else ""
        reason = self._form.transactions.leave_out(message)
        if reason:
            self._found.skip(reason, rows.line)
        elif columns.samples >= 0 and row[columns.samples] not in {"1", ""}:
            rows.damage(f"{SEVERAL}: SampleCount is {row[columns.samples][:40]!r}", is_whole=True)
        else:
            self._found.arrival(row[columns.label], at_ms, _session(row, columns))

    def _take_odd(self, row: list[str], rows: Rows) -> None:
        """A row of another number of fields, or the first one."""
        if self._is_heading(row, rows):
            return
        if self._columns is None:
            self._begin(self._headless(row, rows.line), rows)
            self._take(row, rows)
        else:
            rows.damage(_miscounted(len(row), len(self._columns.names)))

    def _is_heading(self, row: list[str], rows: Rows) -> bool:
        """Whether the row is empty, or says what the columns are from there on; that is then taken."""
        if not any(row) or (len(row) == 1 and not row[0].strip()):
            self._found.skip(EMPTY, rows.line)
            return True
        if TIME not in row or (LABEL not in row and self._columns is not None):
            return False
        columns = self._named(row, rows.line)
        if self._columns is None and self._form.columns:
            self._found.notes.append("there is a header: it is taken, in the place of --columns")
        self._begin(columns, rows)
        return True

    def _is_plausible(self, row: list[str]) -> bool:
        """Whether the fields, which are as many as columns, are an arrival or a header."""
        columns = self._columns
        if columns is None or row == list(columns.names):
            return True
        try:
            self._clock_of(row[columns.time]).ms(row[columns.time])
        except NoTimeError as error:
            return isinstance(error, NoZoneError)
        return True

    def _begin(self, columns: _Columns, rows: Rows) -> None:
        """From this row on these are the columns."""
        if self._columns == columns:
            self._found.skip("repeated headers", rows.line)
        elif self._columns is not None:
            self._found.skip("headers of other columns", rows.line)
            self._found.notes.append(f"from line {rows.line} on there are other columns")
        elif columns.message < 0 and self._form.transactions is Transactions.SKIP:
            self._found.notes.append(UNKNOWN)
        self._columns = columns
        rows.width = len(columns.names)

    def _headless(self, row: list[str], line: int) -> _Columns:
        if self._form.columns:
            return self._named(list(self._form.columns), line)
        if len(row) == len(USUAL) and row[0].isdigit() and row[1].isdigit():
            self._found.notes.append(
                "no header: the columns that JMeter writes when it is not told otherwise"
            )
            return self._named(list(USUAL), line)
        raise self._no_column(TIME, row, line)

    def _named(self, names: list[str], line: int) -> _Columns:
        for name in (TIME, LABEL):
            if name not in names:
                raise self._no_column(name, names, line)
            if names.count(name) > 1:
                raise ConfigError(f"two columns are called {name!r}", path=self._path, line=line)
        places = [names.index(n) if n in names else -1 for n in _MATTERING]
        return _Columns(tuple(names), *places)

    def _no_column(self, name: str, names: Sequence[str], line: int) -> ConfigError:
        return ConfigError(
            f"no column {name!r}; the line has: {', '.join(names)[:200]!r}",
            path=self._path,
            line=line,
            remedy="say what the columns are, such as --columns timeStamp,elapsed,label; or run JMeter with "
            f"-Jjmeter.save.saveservice.print_field_names=true and without switching {name} off",
        )

    def _ms(self, text: str, line: int) -> int:
        """Raises NoTimeError, and ConfigError for a time that no row of this file can tell."""
        clock = self._clock or self._clock_of(text)
        try:
            at_ms = clock.ms(text)
        except NoZoneError as error:
            raise ConfigError(
                str(error),
                path=self._path,
                line=line,
                remedy="say where JMeter ran, such as --time-zone Europe/Berlin",
            ) from error
        self._clock = clock
        return at_ms

    def _clock_of(self, text: str) -> Clock:
        """The clock of this file: once it is known, or as the text suggests."""
        if self._clock is not None:
            return self._clock
        form = self._form.time_format or ("unix-ms" if text.isdigit() else form_of(text))
        return Clock(form, self._form.time_zone)


def _session(row: list[str], columns: _Columns) -> str | None:
    if columns.thread < 0:
        return None
    thread = row[columns.thread]
    return f"{row[columns.host]} {thread}" if columns.host >= 0 else thread


def _first(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first line that is not empty, and all lines."""
    passed: list[str] = []
    for line in lines:
        passed.append(line)
        if line.strip() or len(passed) > 1000:
            break
    return (passed[-1] if passed else ""), _chained(passed, lines)


def _chained(passed: list[str], lines: Iterator[str]) -> Iterator[str]:
    yield from passed
    yield from lines


def _separator(first: str) -> str:
    """The separator of a header, or of a first row: what is after its time, or what there is most of."""
    names = first.rstrip("\r\n")
    for separator in SEPARATORS:
        if separator in names and TIME in names.split(separator):
            return separator
    after_time = _FIRST_TIME.match(names)
    return after_time["separator"] if after_time else max(SEPARATORS, key=names.count)


def _miscounted(found: int, wanted: int) -> str:
    why = "is the line cut off?" if found < wanted else "is a separator unquoted?"
    return f"another number of columns than the header has: {found} in the place of {wanted}; {why}"
