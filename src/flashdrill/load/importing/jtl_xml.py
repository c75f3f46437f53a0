"""JMeter's result file as XML: one arrival for each sample, at its `ts`, however long the file is.

A sample may hold others: the requests of a page, of a redirect, or of a transaction. The outer one is the arrival, or
with sub-results the innermost ones. Nothing but the attributes of samples is looked at. JMeter writes no document type
declaration, so there are no entities: a file with one is refused.
"""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError
from flashdrill.load.importing.found import Found
from flashdrill.load.importing.source import encoding_of

SAMPLES = frozenset({"sample", "httpSample"})
ROOT = "testResults"
CHUNK = 1 << 16
_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<")


def is_xml(file: BinaryIO) -> bool:
    """Whether the file begins as XML does. It is at its start before and after."""
    start = file.read(512)
    file.seek(0)
    return start.lstrip(b" \t\r\n").startswith(_STARTS)


def read_xml(
    file: BinaryIO, path: Path, found: Found, encoding: str = "", *, takes_sub_results: bool = False
) -> None:
    """Tell `found` of every sample. Raises ConfigError for a file that is no such XML."""
    _Samples(path, found, takes_sub_results=takes_sub_results).read(file, encoding)


class _Samples:
    def __init__(self, path: Path, found: Found, *, takes_sub_results: bool) -> None:
        self._path = path
        self._found = found
        self._takes_sub_results = takes_sub_results
        self._clock = Clock("unix-ms")
        self._depth = 0
        self._open: list[
            tuple[dict[str, str], int, bool]
        ] = []  # attributes, line, whether it holds others
        self._samples = 0
        self._parser = expat.ParserCreate()

    def read(self, file: BinaryIO, encoding: str) -> None:
        text: io.BufferedIOBase | BinaryIO = file
        if encoding:
            try:
                text = codecs.EncodedFile(file, "utf-8", encoding_of(file, encoding), "replace")
            except LookupError as error:
                raise ConfigError(f"--encoding {encoding}: there is no such encoding") from error
            self._parser = expat.ParserCreate("utf-8")
        self._found.read_as("XML", encoding)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            while chunk := text.read(CHUNK):
                self._parser.Parse(chunk, False)
        except expat.ExpatError as error:
            raise ConfigError(
                f"not valid XML: {expat.ErrorString(error.code)}; what comes after it cannot be read",
                path=self._path,
                line=error.lineno,
                remedy="repair it there, or cut the file before it",
            ) from error
        except (LookupError, ValueError) as error:  # of the encoding that its first line names
            raise ConfigError(
                f"not read: {error}",
                path=self._path,
                line=1,
                remedy="name the encoding, such as --encoding gb18030",
            ) from error
        self._finish()

    def _finish(self) -> None:
        """The end of the file: one that was cut is damage, whose size is known, for all that is there was read."""
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            self._samples += 1
            self._found.damage(
                error.lineno, "a file that was cut off: its last sample, and maybe more, is missing"
            )
        self._found.count(self._samples)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and name != ROOT:
            raise ConfigError(
                f"<{name[:40]}> in the place of <{ROOT}>: this XML is none of JMeter's",
                path=self._path,
                line=self._parser.CurrentLineNumber,
            )
        if name in SAMPLES:
            if self._open:
                outer, line, _ = self._open[-1]
                self._open[-1] = (outer, line, True)
            kept: dict[str, str] = {
                key: attributes[key] for key in ("ts", "lb", "tn", "hn") if key in attributes
            }
            self._open.append((kept, self._parser.CurrentLineNumber, False))

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name not in SAMPLES or not self._open:
            return
        attributes, line, holds_others = self._open.pop()
        self._samples += 1
        self._found.count(self._samples)
        if self._takes_sub_results and holds_others:
            self._found.skip("samples whose sub-results are taken", line)
        elif self._open and not self._takes_sub_results:
            self._found.skip("sub-results of a sample", line)
        else:
            self._take(attributes, line)

    def _take(self, attributes: dict[str, str], line: int) -> None:
        if "ts" not in attributes or "lb" not in attributes:
            missing = " and ".join(name for name in ("ts", "lb") if name not in attributes)
            self._found.damage(line, f"a sample without {missing}")
            return
        try:
            at_ms = self._clock.ms(attributes["ts"])
        except NoTimeError as error:
            self._found.damage(line, f"a ts that is none: {error}")
            return
        thread = attributes.get("tn")
        session = f"{attributes.get('hn', '')} {thread}" if thread is not None else None
        self._found.arrival(attributes["lb"], at_ms, session)

    def _refuse_doctype(self, *_: object) -> None:
        raise ConfigError(
            "a document type declaration, which JMeter does not write",
            path=self._path,
            line=self._parser.CurrentLineNumber,
            remedy="remove it",
        )
