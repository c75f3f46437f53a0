"""A recording's bytes and lines: packed by gzip or not, in any encoding, never a line in memory that is too long."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from flashdrill.errors import ConfigError
from flashdrill.load.importing.found import no_such_file

UTF_8, UTF_16 = "utf-8", "utf-16"
LONGEST_LINE = 1 << 20
"""Characters. The rest of a longer line is passed over, and what there is of it is marked."""
CUT = "\ufffc"
"""At the end of a line that was too long; the character stands for an object that is not text."""
_UNDECODED = "\udcff"
"""In the place of bytes that are not of the encoding; no text has it by itself."""
_MARKED = "flashdrill.marked"
_BOM = "\ufeff"
_GZIP = b"\x1f\x8b"
_OTHER_PACKINGS = {
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, UTF_16),
    (codecs.BOM_UTF16_BE, UTF_16),
)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked. Raises ConfigError for one that cannot be read, is packed otherwise or damaged."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(
                "not a file: what comes from a pipe can be read only once",
                path=path,
                remedy="write it to a file first",
            )
        with path.open("rb") as probe:
            start = probe.read(max(map(len, _OTHER_PACKINGS)))
        is_packed = start.startswith(_GZIP)
        for mark, name in _OTHER_PACKINGS.items():
            if start.startswith(mark):
                raise ConfigError(
                    f"packed as {name}", path=path, remedy="unpack it first; gzip is read as it is"
                )
        with gzip.open(path) if is_packed else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(
            f"not a whole gzip file: {error}",
            path=path,
            remedy="nobody knows how much is missing; zcat gives you what is there",
        ) from error
    except UnicodeError as error:
        raise ConfigError(
            f"cannot be read in this encoding: {error}",
            path=path,
            remedy="name the one that it is written in, such as --encoding utf-16-le",
        ) from error
    except OSError as error:
        raise no_such_file(path, error) from error


def encoding_of(file: BinaryIO, asked: str = "") -> str:
    """The encoding that was asked for, else that of the byte order mark, else UTF-8.

    Raises ConfigError when there is none of that name.
    """
    if asked:
        try:
            return _of_text(asked)
        except LookupError as error:
            raise ConfigError(f"--encoding {asked}: there is no such encoding") from error
    start = io.BufferedReader.peek(file, 4) if isinstance(file, io.BufferedReader) else _peek(file)
    return next((name for mark, name in _MARKS if start.startswith(mark)), UTF_8)


@contextmanager
def text_lines(file: BinaryIO, encoding: str) -> Iterator[Iterator[str]]:
    """The lines with their ends. What is not of the encoding is in them as something that `is_decoded` knows."""
    codecs.register_error(_MARKED, _marked)
    text = io.TextIOWrapper(file, encoding=encoding, errors=_MARKED, newline="")
    try:
        yield _bounded(text)
    finally:
        text.detach()


def is_decoded(text: str) -> bool:
    """Whether all of it was of the encoding that it was read in."""
    return text.isascii() or _UNDECODED not in text


def _of_text(asked: str) -> str:
    """The usual name of an encoding of texts. Raises LookupError."""
    codecs.register_error(_MARKED, _marked)
    try:
        b"1".decode(asked, _MARKED)
    except UnicodeError as error:
        raise LookupError(asked) from error
    return codecs.lookup(asked).name


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODED, error.end


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    is_first = True
    while line := text.readline(LONGEST_LINE):
        if is_first:
            line, is_first = line.removeprefix(_BOM) or "\n", False
        if len(line) < LONGEST_LINE or line.endswith(("\n", "\r")):
            yield line
        else:
            yield _pass_over(line, text)


def _pass_over(line: str, text: io.TextIOWrapper) -> str:
    while len(rest := text.readline(LONGEST_LINE)) == LONGEST_LINE and not rest.endswith("\n"):
        pass
    return f"{line[:100]}{CUT}\n"


def _peek(file: BinaryIO) -> bytes:
    start = file.read(4)
    file.seek(0)
    return start
