"""JMeter's result file into a traffic model: one arrival for each sample, at its `timeStamp`.

CSV, with the columns found by the names in the header, in any order (JMeter manual, "Listeners: CSV log format"), and
XML (`jtl_xml`). The file is streamed. A row that cannot be used is damaged, with its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError, NoZoneError, form_of
from flashdrill.load.importing.found import EMPTY, Found
from flashdrill.load.importing.jtl_xml import is_xml, read_xml
from flashdrill.load.importing.rows import NOT_DECODED, SEPARATORS, Rows
from flashdrill.load.importing.source import encoding_of, opened, text_lines
from flashdrill.model.traffic import TrafficModel

TIME, LABEL, THREAD, HOST, MESSAGE = (
    "timeStamp",
    "label",
    "threadName",
    "Hostname",
    "responseMessage",
)
USUAL = (
    *("timeStamp", "elapsed", "label", "responseCode", "responseMessage", "threadName", "dataType"),
    *("success", "failureMessage", "bytes", "sentBytes", "grpThreads", "allThreads", "URL"),
    *("Latency", "IdleTime", "Connect"),
)
"""The columns of a JMeter that was not told otherwise (jmeter.save.saveservice.* of version 5)."""
_SUM = "Number of samples in transaction"
NAMES = {"\t": "tabs", ",": "commas"}
SUMS = "transactions (sums of their samples)"


class Transactions(StrEnum):
    """What to do with the rows of transaction controllers, which stand beside those of their samples."""

    SKIP = "skip"
    ONLY = "only"
    BOTH = "both"


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
            read_xml(file, path, found, form.encoding, takes_sub_results=form.takes_sub_results)
            return found
        return _Csv(path, form).read(file)


def model_of_jtl(found: Found, mapping: Sequence[str] = (), tolerance: float = 0.0) -> TrafficModel:
    """The traffic model of what was found. Raises ConfigError."""
    remedies = {
        NOT_DECODED: "name the file's encoding, such as --encoding gb18030",
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
        try:
            encoding = encoding_of(file, self._form.encoding)
        except LookupError as error:
            raise ConfigError(
                f"--encoding {self._form.encoding}: there is no such encoding"
            ) from error
        with text_lines(file, encoding) as text:
            first, lines = _first(text)
            separator = self._form.separator or _separator(first)
            self._found.read_as(f"CSV with {NAMES.get(separator, separator)}", encoding)
            rows = Rows(lines, self._found, separator)
            for row in rows:
                self._take(row, rows)
        if self._clock and self._clock.ambiguous:
            self._found.notes.append(
                f"{self._clock.ambiguous} times came twice, when clocks were put back: read as the first of the two"
            )
        return self._found

    def _take(self, row: list[str], rows: Rows) -> None:
        if not any(row) or (len(row) == 1 and not row[0].strip()):
            self._found.skip(EMPTY)
            return
        is_header = TIME in row and (LABEL in row or self._columns is None)
        if self._columns is None or is_header:
            self._begin(row, rows.line, is_header=is_header)
            rows.width = len(self._columns.names) if self._columns else 0
        columns = self._columns
        if columns is None or is_header:
            return
        if len(row) != len(columns.names):
            rows.damage(_miscounted(len(row), len(columns.names)))
            return
        if columns.message >= 0 and self._is_left_out(row[columns.message]):
            return
        try:
            at_ms = self._ms(row[columns.time])
        except NoTimeError as error:
            rows.damage(f"a {TIME} that is none: {error}")
            return
        session = row[columns.thread] if columns.thread >= 0 else None
        if session is not None and columns.host >= 0:
            session = f"{row[columns.host]} {session}"
        self._found.arrival(row[columns.label], at_ms, session)

    def _is_left_out(self, message: str) -> bool:
        wanted = self._form.transactions
        is_sum = message.startswith(_SUM)
        if wanted is Transactions.SKIP and is_sum:
            self._found.skip(SUMS)
            return True
        if wanted is Transactions.ONLY and not is_sum:
            self._found.skip("samples of transactions")
            return True
        return False

    def _begin(self, row: list[str], line: int, *, is_header: bool) -> None:
        """Take the columns of a header, or of a first row without one. Raises ConfigError for a row that is neither."""
        columns = self._named(row, line) if is_header else self._headless(row, line)
        if self._columns == columns:
            self._found.skip("repeated headers")
        elif self._columns is not None:
            self._found.skip("headers of other columns")
            self._found.notes.append(f"from line {line} on there are other columns")
        self._columns = columns

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
        places = [
            names.index(n) if n in names else -1 for n in (TIME, LABEL, THREAD, HOST, MESSAGE)
        ]
        return _Columns(tuple(names), *places)

    def _no_column(self, name: str, names: Sequence[str], line: int) -> ConfigError:
        return ConfigError(
            f"no column {name!r}; the line has: {', '.join(names)[:200]!r}",
            path=self._path,
            line=line,
            remedy="say what the columns are, such as --columns timeStamp,elapsed,label; or run JMeter with "
            f"-Jjmeter.save.saveservice.print_field_names=true and without switching {name} off",
        )

    def _ms(self, text: str) -> int:
        """Raises NoTimeError, and ConfigError for a time that no row of this file can tell."""
        if self._clock is None:
            form = self._form.time_format or ("unix-ms" if text.isdigit() else form_of(text))
            self._clock = Clock(form, self._form.time_zone)
        try:
            return self._clock.ms(text)
        except NoZoneError as error:
            raise ConfigError(
                str(error),
                path=self._path,
                remedy="say where JMeter ran, such as --time-zone Europe/Berlin",
            ) from error


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
    """The separator of a header, or of a first row: the one there is most of."""
    names = first.rstrip("\r\n")
    for separator in SEPARATORS:
        if separator in names and TIME in names.split(separator):
            return separator
    return max(SEPARATORS, key=names.count)


def _miscounted(found: int, wanted: int) -> str:
    why = "is the line cut off?" if found < wanted else "is a separator unquoted?"
    return f"another number of columns than the header has: {found} in the place of {wanted}; {why}"
