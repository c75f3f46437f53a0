"""The rows of a CSV file with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flashdrill.errors import ConfigError

MOST_ROWS = 1_000_000
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Rows:
    """The header, and at least one row with as many cells."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str | int, ...]]


def read_rows(path: Path, numbers: Sequence[str] = ()) -> Rows:
    """The rows of a UTF-8 file; those columns become whole numbers. Raises ConfigError with the line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _lines(csv.reader(file, strict=True), path)
            _, header = next(lines, (0, []))
            columns = _columns(header, path)
            places = tuple(_place(name, columns, path) for name in numbers)
            rows = [_row(cells, columns, places, path, line) for line, cells in lines]
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text", path=path, remedy="save the file as UTF-8") from None
    if not rows:
        raise ConfigError("has no rows below its header", path=path)
    return Rows(columns, rows)


def _lines(reader: Iterator[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the line on which it begins."""
    count = 0
    while True:
        number = getattr(reader, "line_num", 0) + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(f"not a row of CSV: {error}", path=path, line=number) from None
        if not cells:
            continue
        if count > MOST_ROWS:
            raise ConfigError(f"more than {MOST_ROWS} rows", path=path, line=number)
        count += 1
        yield number, cells


def _columns(header: list[str], path: Path) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in header)
    if not columns:
        raise ConfigError("is empty", path=path, remedy="its first line names the columns")
    for name in columns:
        if not name or columns.count(name) > 1 or set(name) & set("${}"):
            problem = "two columns are" if columns.count(name) > 1 else "a column cannot be"
            raise ConfigError(f"{problem} called {name!r}", path=path, line=1)
    return columns


def _place(name: str, columns: tuple[str, ...], path: Path) -> int:
    if name not in columns:
        raise ConfigError(
            f"no column {name!r}", path=path, line=1, remedy=f"it has {', '.join(columns)}"
        )
    return columns.index(name)


def _row(
    cells: list[str], columns: tuple[str, ...], places: tuple[int, ...], path: Path, line: int
) -> tuple[str | int, ...]:
    if len(cells) != len(columns):
        raise ConfigError(
            f"{len(cells)} cells, and the header has {len(columns)}", path=path, line=line
        )
    row: list[str | int] = list(cells)
    for place in places:
        if not _WHOLE.fullmatch(cells[place].strip()):
            raise ConfigError(
                f"{columns[place]}: expected a whole number, found {cells[place]!r}",
                path=path,
                line=line,
            )
        row[place] = int(cells[place])
    return tuple(row)
