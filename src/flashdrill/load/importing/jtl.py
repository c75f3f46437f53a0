"""JMeter's result file (CSV) into a traffic model: one arrival per row, at the row's `timeStamp`.

Columns are found by the names in the header, in any order (JMeter manual, "Listeners: CSV log format").
Nothing is guessed: a row that cannot be used refuses the file, with the first such line and their number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.load.importing.recording import model_of, no_such_file
from flashdrill.model.traffic import TrafficModel

TIME, LABEL = "timeStamp", "label"
EARLIEST_MS = 946_684_800_000  # 2000-01-01
LATEST_MS = 4_102_444_800_000  # 2100-01-01
_DELIMITERS = ",;\t|"


@dataclass(slots=True)
class _Rows:
    """What was found in a file: times by label, and the lines that were of no use."""

    times: dict[str, list[int]] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def import_jtl(path: Path, mapping: Sequence[str] = ()) -> TrafficModel:
    """The traffic model of a JMeter result file; `mapping` has items such as `Fetch*=browse`.

    Raises ConfigError, with the line, for a file that is not one.
    """
    rows = _read(path, _text(path))
    if rows.bad:
        line, problem = rows.bad[0]
        more = f" ({len(rows.bad)} such rows in all)" if len(rows.bad) > 1 else ""
        raise ConfigError(
            f"{problem}{more}", path=path, line=line, remedy="remove or repair the row"
        )
    if not rows.times:
        raise ConfigError("no data rows after the header", path=path, line=1)
    return model_of(path, rows.times, mapping, rows.skipped)


def _text(path: Path) -> str:
    """The file's text. Raises ConfigError when there is none, or it is not UTF-8 or not CSV."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise no_such_file(path, error) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"not UTF-8 text (byte 0x{data[error.start]:02x})",
            path=path,
            line=line,
            remedy="convert it, such as with iconv -f GB18030 -t UTF-8",
        ) from error
    if not text.strip():
        raise ConfigError("the file is empty", path=path)
    if text.lstrip().startswith("<"):
        raise ConfigError(
            "this is JMeter's XML form; the CSV form is needed",
            path=path,
            line=1,
            remedy="run JMeter with -Jjmeter.save.saveservice.output_format=csv",
        )
    return text


def _read(path: Path, text: str) -> _Rows:
    rows = _Rows()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    lines = _numbered(path, reader)
    _, header = next(lines)
    time_at, label_at = _column(path, header, TIME), _column(path, header, LABEL)
    for line, row in lines:
        if not row:
            rows.skip("empty lines")
        elif row == header:
            rows.skip("repeated headers")
        elif len(row) != len(header):
            cut = "; is the line cut off?" if len(row) < len(header) else "; is a comma unquoted?"
            rows.bad.append((line, f"{len(row)} columns where the header has {len(header)}{cut}"))
        elif (time_ms := _time(row[time_at])) is None:
            rows.bad.append((line, _no_time(row[time_at])))
        else:
            rows.times.setdefault(row[label_at], []).append(time_ms)
    return rows


def _numbered(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line on which each one starts (a quoted field may span lines)."""
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(f"not valid CSV: {error}", path=path, line=line) from error
        yield line, row
        line = reader.line_num + 1  # type: ignore[attr-defined]


def _delimiter(text: str) -> str:
    header = text.splitlines()[0]
    return next((d for d in _DELIMITERS if TIME in header.split(d) and d in header), ",")


def _column(path: Path, header: list[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise ConfigError(f"two columns are called {name!r}", path=path, line=1)
    raise ConfigError(
        f"no column {name!r}; the first line has: {', '.join(header)[:200]}",
        path=path,
        line=1,
        remedy="run JMeter with -Jjmeter.save.saveservice.print_field_names=true "
        f"and without switching {name} off",
    )


def _time(text: str) -> int | None:
    """Milliseconds since 1970, or None when the text is no such time."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        return None
    value = int(text)
    return value if EARLIEST_MS <= value <= LATEST_MS else None


def _no_time(text: str) -> str:
    wanted = "milliseconds since 1970, between the years 2000 and 2100"
    return f"{TIME} is {text[:40]!r}; expected {wanted} (JMeter's timestamp_format=ms)"
