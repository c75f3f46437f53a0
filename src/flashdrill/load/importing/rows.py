"""The rows of a separated file, each with the line on which it begins, however its quotes are.

A quoted field may go over lines, and a quote that is never closed would swallow the rest of the file. So a row has an
end: after MOST_LINES lines or LONGEST_ROW characters, or as soon as a line inside a quoted field is a whole, plausible
row by itself. Then the line on which the row began is damaged, and reading goes on with the next one.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator

from flashdrill.load.importing.found import Found
from flashdrill.load.importing.source import CUT, is_decoded

SEPARATORS = ",;\t|"
MOST_LINES = 1000
LONGEST_ROW = 1 << 20
SAID = "lines that say the separator"
_SAID = re.compile(rf"sep=([{SEPARATORS}])[\r\n]*", re.IGNORECASE)
NOT_DECODED = "bytes that are not of its encoding"


def said_separator(line: str) -> str:
    """What a first line such as `sep=;` says, which Excel reads and writes; nothing when it is another one."""
    found = _SAID.fullmatch(line)
    return found[1] if found else ""


class UnclosedQuoteError(Exception):
    """A row has not ended where every row has."""


class Rows:
    """The rows of these lines. `line` and `spanned` are where the last row began, and over how many lines it went;
    after all of them `has_end` says whether the last line had its end, which a file that was cut off lacks.

    `width` is how many fields a row has; 0 for any number. `is_plausible` says of fields of that number whether they
    can be a row. Rows that cannot be read are told to `found` as damaged.
    """

    def __init__(self, lines: Iterator[str], found: Found, separator: str, width: int = 0) -> None:
        self.width = width
        self.is_plausible: Callable[[list[str]], bool] = lambda _: True
        self.line = 1
        self.spanned = 0
        self.has_end = True
        self._lines = lines
        self._found = found
        self._separator = separator
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._characters = 0

    def __iter__(self) -> Iterator[list[str]]:
        """Every row that can be read; an empty line is an empty row."""
        csv.field_size_limit(2 * LONGEST_ROW)
        while True:
            reader = csv.reader(self._fed(), delimiter=self._separator, strict=True)
            try:
                for row in reader:
                    self.spanned = len(self._row)
                    problem = self._problem()
                    if problem:
                        self.damage(problem)
                        break
                    yield row
                    if self._row:
                        self._next_row()
                else:
                    return
            except UnclosedQuoteError:
                self.damage("a quote that is never closed")
            except csv.Error as error:
                self.damage(self._said(error))

    def pass_over(self, reason: str) -> None:
        """The next line, which was taken from the lines already, is no row."""
        self._found.count(self.line)
        self._found.skip(reason)
        self.line += 1

    def damage(self, problem: str, *, is_whole: bool = False) -> None:
        """The last row cannot be used: its first line is damaged, and the others are read again as rows.

        Unless it `is_whole`: then the others are certain to belong to it.
        """
        self._found.damage(self.line, problem)
        if not is_whole:
            self._again.extendleft(reversed(self._row[1:]))
            del self._row[1:]
        self._next_row()

    def _fed(self) -> Iterator[str]:
        """Lines for the reader, as long as there is room in the row."""
        again, row, last = self._again, self._row, "\n"
        while True:
            line = again.popleft() if again else next(self._lines, None)
            if line is None:
                self.has_end = last.endswith(("\n", "\r"))
                return
            if row and (self._is_over() or (self.width and self._is_row(line))):
                again.appendleft(line)
                raise UnclosedQuoteError
            row.append(line)
            self._characters += len(line)
            last = line
            yield line

    def _is_over(self) -> bool:
        return len(self._row) >= MOST_LINES or self._characters >= LONGEST_ROW

    def _is_row(self, line: str) -> bool:
        """Whether a line is a whole row by itself."""
        if line.count(self._separator) < self.width - 1 or line.count('"') % 2:
            return False
        try:
            row = next(csv.reader([line], delimiter=self._separator, strict=True))
        except (csv.Error, StopIteration):
            return False
        return len(row) == self.width and self.is_plausible(row)

    def _problem(self) -> str:
        """What is wrong with the characters of the last row, or nothing."""
        for line in self._row:
            if "\0" in line:
                return "NUL bytes"
            if not line.isascii():
                if not is_decoded(line):
                    return NOT_DECODED
                if line.endswith(f"{CUT}\n"):
                    return "a line of over a million characters"
        return ""

    def _said(self, error: csv.Error) -> str:
        if "unexpected end of data" in str(error):
            return "a quote that is never closed"
        return f"not valid CSV: {error}"

    def _next_row(self) -> None:
        self.line += len(self._row)
        self._found.count(self.line - 1)
        self._row.clear()
        self._characters = 0
