"""JMeter's result file as XML: one arrival for each sample, at its `ts`, however long the file is.

A sample may hold others: the requests of a page, of a redirect, or of a transaction. The outer one is the arrival, or
with sub-results the innermost ones; a transaction that is skipped is looked through. Nothing but the attributes of
samples is looked at. JMeter writes no document type declaration, so there are no entities: a file with one is refused.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from flashdrill.errors import ConfigError
from flashdrill.load.importing.clock import Clock, NoTimeError
from flashdrill.load.importing.found import Found
from flashdrill.load.importing.source import encoding_of
from flashdrill.load.importing.transactions import (
    SEVERAL,
    SUMS,
    UNKNOWN_XML,
    Transactions,
    is_sum,
)

SAMPLE = "sample"
SAMPLES = frozenset({SAMPLE, "httpSample"})
ROOT = "testResults"
CHUNK = 1 << 16
LONGEST_TAG = 1 << 23
"""Bytes; a parser holds a tag whole."""
DEEPEST = 1000
"""Elements within each other."""
_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<")


def is_xml(file: BinaryIO) -> bool:
    """Whether the file begins as XML does. It is at its start before and after."""
    start = file.read(512)
    file.seek(0)
    return start.lstrip(b" \t\r\n").startswith(_STARTS)


def read_xml(
    file: BinaryIO,
    path: Path,
    found: Found,
    encoding: str = "",
    *,
    transactions: Transactions = Transactions.SKIP,
    takes_sub_results: bool = False,
) -> None:
    """Tell `found` of every sample. Raises ConfigError for a file that is no such XML."""
    samples = _Samples(path, found, transactions, takes_sub_results=takes_sub_results)
    samples.read(file, encoding)


@dataclass(slots=True)
class _Sample:
    """One that has begun. Those in one that `is_seen_through` are as if they were not in it."""

    attributes: dict[str, str]
    line: int
    is_seen_through: bool
    holds_others: bool = False


class _Samples:
    def __init__(
        self, path: Path, found: Found, transactions: Transactions, *, takes_sub_results: bool
    ) -> None:
        self._path = path
        self._found = found
        self._transactions = transactions
        self._takes_sub_results = takes_sub_results
        self._clock = Clock("unix-ms")
        self._depth = 0
        self._open: list[_Sample] = []
        self._opaque = 0  # how many of the open ones are not seen through
        self._samples = 0
        self._parser = expat.ParserCreate()

    def read(self, file: BinaryIO, encoding: str) -> None:
        chunks = iter(lambda: file.read(CHUNK), b"")
        if encoding:
            encoding = encoding_of(file, encoding)
            self._parser = expat.ParserCreate("utf-8")
            chunks = self._recoded(chunks, encoding)
        self._found.read_as("XML", encoding)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            self._feed(chunks)
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

    def _feed(self, chunks: Iterator[bytes]) -> None:
        fed = 0
        for chunk in chunks:
            self._parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - self._parser.CurrentByteIndex > LONGEST_TAG:
                raise self._refusal("a tag of over eight million bytes")

    def _recoded(self, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        """The chunks in UTF-8. Raises ConfigError for bytes that are not of the encoding."""
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for chunk in chunks:
                yield decoder.decode(chunk).encode("utf-8", "replace")
            yield decoder.decode(b"", True).encode("utf-8", "replace")
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode(encoding, "replace").encode("utf-8", "replace")
            raise self._refusal(
                f"bytes that are not {encoding}; what comes after them cannot be read",
                "name the file's encoding with --encoding, or cut the file before them",
            ) from error

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
        if self._depth > DEEPEST:
            raise self._refusal(f"over {DEEPEST} elements within each other")
        if self._depth == 1 and name != ROOT:
            raise self._refusal(
                f"<{name[:40]}> in the place of <{ROOT}>: this XML is none of JMeter's"
            )
        line = self._parser.CurrentLineNumber
        if name in SAMPLES:
            self._begin(attributes, line)
        elif self._depth == 2:
            self._samples += 1
            self._found.damage(line, f"an element that is no sample: <{name[:40]}>")

    def _begin(self, attributes: dict[str, str], line: int) -> None:
        if self._open:
            self._open[-1].holds_others = True
        is_skipped = self._transactions is Transactions.SKIP and is_sum(attributes.get("rm", ""))
        self._opaque += not is_skipped
        self._open.append(_Sample(attributes, line, is_skipped))

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name not in SAMPLES:
            return
        sample = self._open.pop()
        if name == SAMPLE and sample.holds_others:
            self._tell_unknown(sample)
        self._opaque -= not sample.is_seen_through
        self._samples += 1
        self._found.count(self._samples)
        reason = self._left_out(sample)
        if reason:
            self._found.skip(reason, sample.line)
        else:
            self._take(sample.attributes, sample.line)

    def _tell_unknown(self, sample: _Sample) -> None:
        """A note, once, when a sample may be a transaction and is taken in the place of those in it."""
        is_taken = self._transactions is Transactions.SKIP and not self._takes_sub_results
        if is_taken and "rm" not in sample.attributes and UNKNOWN_XML not in self._found.notes:
            self._found.notes.append(UNKNOWN_XML)

    def _left_out(self, sample: _Sample) -> str:
        """Why a sample is no arrival; nothing when it is one."""
        if sample.is_seen_through:
            return SUMS
        if self._takes_sub_results:
            if sample.holds_others:
                return "samples whose sub-results are taken"
        elif self._opaque:
            return "sub-results of a sample"
        return self._transactions.leave_out(sample.attributes.get("rm", ""))

    def _take(self, attributes: dict[str, str], line: int) -> None:
        if "ts" not in attributes or "lb" not in attributes:
            missing = " and ".join(name for name in ("ts", "lb") if name not in attributes)
            self._found.damage(line, f"a sample without {missing}")
            return
        if attributes.get("sc", "1") != "1":
            self._found.damage(line, f"{SEVERAL}: sc is {attributes['sc'][:40]!r}")
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
        raise self._refusal("a document type declaration, which JMeter does not write", "remove it")

    def _refusal(self, problem: str, remedy: str = "") -> ConfigError:
        line = self._parser.CurrentLineNumber
        return ConfigError(problem, path=self._path, line=line, remedy=remedy)
