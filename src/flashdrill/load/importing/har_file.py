"""A HAR file's entries, one by one: the document is in memory as bytes, and an entry is decoded when its turn comes.

Answers' bodies are most of such a file; they are passed over, and never decoded (docs/decisions/har.md).
"""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flashdrill.errors import ConfigError
from flashdrill.load.importing.source import encoding_of, opened

LARGEST = 1 << 30
"""Bytes, unpacked."""
_START = 4096
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
"""An escape of JSON: a character of two halves, a half alone, or any other."""
_ALONE = 6
_BYTE = re.compile(r"\(byte (\d+)\)")
_EXPORT = "export it again, as HAR"


@dataclass(frozen=True, slots=True)
class Part:
    """One entry as it is written, with its number from 1 and its line."""

    number: int
    line: int
    raw: msgspec.Raw


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Document(msgspec.Struct):
    log: _Log


def parts(path: Path) -> tuple[str, Iterator[Part]]:
    """The encoding, and the entries. Raises ConfigError for a file that is no HAR, is cut off, or is too large."""
    encoding, text = _text(path)
    text = text.removeprefix(codecs.BOM_UTF8)
    if not text[:_START].strip():
        raise ConfigError("the file is empty", path=path, remedy=_EXPORT)
    try:
        text, entries = _entries(text)
    except msgspec.ValidationError as error:
        raise ConfigError(
            "JSON without a list `log.entries`: it is no HAR", path=path, line=1, remedy=_EXPORT
        ) from error
    except msgspec.DecodeError as error:
        raise _broken(path, text, str(error)) from error
    except RecursionError as error:
        raise ConfigError("nested too deeply for a HAR", path=path) from error
    if not entries:
        raise ConfigError("no arrivals: `log.entries` is empty", path=path, remedy=_EXPORT)
    return encoding, _numbered(text, entries)


def _entries(document: bytes) -> tuple[bytes, list[msgspec.Raw]]:
    """The document and its entries. A half of a character in an answer's body (browsers write such) spoils none of
    them: it becomes U+FFFD, which takes as many bytes."""
    try:
        return document, msgspec.json.decode(document, type=_Document).log.entries
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_whole, document)
        if mended == document:
            raise
        return mended, msgspec.json.decode(mended, type=_Document).log.entries


def _whole(escape: re.Match[bytes]) -> bytes:
    is_half = len(escape[0]) == _ALONE and escape[0][1:2] == b"u"
    return rb"\ufffd" if is_half else escape[0]


def _numbered(text: bytes, entries: list[msgspec.Raw]) -> Iterator[Part]:
    line, place = 1, 0
    for number, raw in enumerate(entries, start=1):
        entry = bytes(raw)
        start = text.find(entry, place)
        line += text.count(b"\n", place, start)
        yield Part(number, line, raw)
        place = start + len(entry)
        line += entry.count(b"\n")


def _text(path: Path) -> tuple[str, bytes]:
    """The encoding, and the document in UTF-8, perhaps with a mark. Raises ConfigError."""
    with opened(path) as file:
        encoding = encoding_of(file)
        is_packed = isinstance(file, gzip.GzipFile)
        most = LARGEST if is_packed else min(LARGEST, path.stat().st_size)
        text = file.read(most + 1)
    if len(text) > LARGEST:
        raise ConfigError(
            f"over {LARGEST / (1 << 20):,.0f} MiB, which is too large for a HAR: it is one document",
            path=path,
            remedy="export it without the contents of answers, or import an access log instead",
        )
    return encoding, _decoded(path, text, encoding) if encoding.startswith("utf-16") else text


def _decoded(path: Path, text: bytes, encoding: str) -> bytes:
    try:
        return text.decode(encoding).encode()
    except UnicodeError as error:
        raise ConfigError(f"not text in {encoding}", path=path, remedy=_EXPORT) from error


def _broken(path: Path, text: bytes, problem: str) -> ConfigError:
    """What msgspec said, which repeats nothing of the file, with the line in the place of the byte."""
    found = _BYTE.search(problem)
    place = int(found[1]) if found else len(text)
    line = text.count(b"\n", 0, place) + 1
    if "truncated" in problem:
        return ConfigError(
            "the file is cut off: its JSON has no end",
            path=path,
            line=line,
            remedy=f"nobody knows how much is missing: {_EXPORT}",
        )
    what = "text that is not UTF-8" if "utf-8" in problem.lower() else "not JSON"
    return ConfigError(f"{what}, at byte {place}", path=path, line=line, remedy=_EXPORT)
