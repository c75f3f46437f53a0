"""`result.json.gz`: the whole result of a run, so that every report can be made again.

    {"format": "flashdrill-result/1", "flashdrill": "0.1.0", "result": {...}}, as gzipped JSON

A field that was added later has a default, so older files can be read; a field that is not known is ignored, so
newer ones can, as long as the format is the same.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import msgspec

from flashdrill import __version__
from flashdrill.errors import ConfigError
from flashdrill.model.result import RunResult

NAME = "result.json.gz"
FORMAT = "flashdrill-result/1"
SUMMARY = "summary.json"
"""The file that makes a folder the folder of a run that came to its end."""


class _Head(msgspec.Struct):
    """What must be known before the rest can be read."""

    format: str
    flashdrill: str


class _Kept(_Head):
    result: RunResult


def write_result(result: RunResult, folder: Path) -> None:
    """Write the file, the same bytes for the same result."""
    kept = msgspec.json.encode(_Kept(FORMAT, __version__, result))
    (folder / NAME).write_bytes(gzip.compress(kept, mtime=0))


def read_result(folder: Path) -> RunResult:
    """The result of the run in a folder. Raises ConfigError when it is not there or cannot be read."""
    path = folder / NAME
    text = _unpacked(path)
    try:
        head = msgspec.json.decode(text, type=_Head)
    except msgspec.DecodeError as error:
        raise _damaged(path, str(error)) from error
    if head.format != FORMAT:
        raise ConfigError(
            f"written by flashdrill {head.flashdrill} as {head.format}; this is {__version__}, which reads {FORMAT}",
            path=path,
            remedy=f"read it with flashdrill {head.flashdrill}, or {_again(folder)}",
        )
    try:
        return msgspec.json.decode(text, type=_Kept).result
    except msgspec.DecodeError as error:
        raise _damaged(path, str(error)) from error


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run that came to its end."""
    return (folder / SUMMARY).is_file() or (folder / NAME).is_file()


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error


def _missing(path: Path) -> ConfigError:
    if not is_run(path.parent):
        return ConfigError(
            f"{path.parent} is not the folder of a run", remedy="see flashdrill list runs"
        )
    return ConfigError(
        f"{path.parent} has no {NAME}: an older flashdrill wrote it, or the file was removed",
        remedy=f"its summary.json and report.html can still be read; else {_again(path.parent)}",
    )


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"damaged: {why}", path=path, remedy=f"restore it from a copy, or {_again(path.parent)}"
    )


def _again(folder: Path) -> str:
    """How to repeat the run, in words."""
    try:
        command = (folder / "command.txt").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        command = ""
    return f"repeat the run: {command}" if command else "repeat the run"
