"""A web server's access log into a traffic model: one arrival for each request, under its method and route.

A log has seconds, mostly: the requests of one second are spread evenly over it, in their order; times with a fraction
are exact. Most servers write the time at which a request was over: where the line says how long it took, the arrival is
so much earlier. Apache writes when it came. Paths are cut to their first parts, so that there are as many labels as
there are routes; numbers and ids in them become `*`. The log is streamed; what comes late has its place all the same.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from flashdrill.load.importing.found import EARLIEST_MS, EMPTY, LATEST_MS, Found
from flashdrill.load.importing.log_format import reader_of
from flashdrill.load.importing.log_line import (
    LONGEST_LINE,
    Entry,
    UselessLineError,
    duration_in,
    entry_of,
    form_of,
)
from flashdrill.load.importing.redaction import Redaction
from flashdrill.load.importing.route import label_at, route_of
from flashdrill.load.importing.source import UTF_8, UTF_16, encoding_of, opened, text_lines
from flashdrill.model.traffic import TrafficModel

DEPTH = 1
MOST_LABELS = 500
TOLERANCE = 0.05
"""Every log has lines that are no requests: what scanners send, what a crash leaves. With more it is no access log."""
_BESIDE = re.compile(r"[?#].*|;[^/]*", re.DOTALL)
EXCLUDED = "requests that were excluded"


@dataclass(frozen=True, slots=True)
class LogForm:
    """How many parts of a path a label keeps, how a line is written, and patterns of labels that are left out."""

    depth: int = DEPTH
    log_format: str = ""
    exclude: tuple[str, ...] = ()


def import_access_log(
    path: Path,
    mapping: Sequence[str] = (),
    *,
    depth: int = DEPTH,
    tolerance: float = TOLERANCE,
    form: LogForm | None = None,
) -> TrafficModel:
    """The traffic model of an access log, which may be compressed by gzip; `mapping` has items such as `GET /*=browse`.

    Raises ConfigError, with the line, for a file that is none.
    """
    found = read_access_log(path, form or LogForm(depth))
    return model_of_log(found, mapping, tolerance, (form or LogForm(depth)).depth)


def model_of_log(
    found: Found,
    mapping: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    depth: int = DEPTH,
) -> TrafficModel:
    """The traffic model of what was found. Raises ConfigError."""
    return found.model(
        mapping,
        tolerance=tolerance,
        most_labels=MOST_LABELS,
        fewer_labels=f"keep fewer parts of the path (--depth {depth - 1}), or leave some out (--exclude)"
        if depth
        else "leave some out (--exclude)",
        remedy="it takes the common and combined formats, nginx's, JSON lines, and yours with --format",
    )


def read_access_log(path: Path, form: LogForm) -> Found:
    """What is in an access log. Raises ConfigError for a file that cannot be read."""
    found = Found(path)
    read = reader_of(form.log_format) if form.log_format else entry_of
    is_excluded: dict[str, bool] = {}
    is_known = is_told = False
    with opened(path) as file:
        for number, line in enumerate(_lines(file), start=1):
            found.count(number)
            if not line.strip():
                found.skip(EMPTY)
                continue
            try:
                entry = _dated(read(line))
            except UselessLineError as error:
                found.damage(number, str(error))
                continue
            if not is_known:
                found.read_as("a format of its own" if form.log_format else form_of(line))
                is_known = True
            if entry.took_s and not form.log_format and not is_told:
                found.notes.append(_told(line, number))
                is_told = True
            label = _label(entry.method, route_of(entry.target, form.depth))
            if label not in is_excluded:
                is_excluded[label] = any(fnmatchcase(label, each) for each in form.exclude)
            if is_excluded[label]:
                found.skip(EXCLUDED)
            else:
                _take(found, label, entry)
    for each in form.exclude:
        if not any(fnmatchcase(label, each) for label in is_excluded):
            found.notes.append(f"no label fits --exclude {each!r}")
    return found


@lru_cache(maxsize=4096)
def _label(method: str, route: str) -> str:
    """The label of a route, in which parts that may be a secret, or say who a person is, are `*` too."""
    return label_at(method, Redaction().path(route)[1])


def _told(line: bytes, number: int) -> str:
    """What was taken for a duration, in a sentence."""
    return (
        f"line {number} says how long its request took ({duration_in(line)}): the arrival is so much earlier, and "
        "those of all such lines; if that is something else, --format says what is where"
    )


def _dated(entry: Entry) -> Entry:
    """The same, if it has a time at which there were such logs. Raises UselessLineError."""
    if not EARLIEST_MS <= entry.at_s * 1000 <= LATEST_MS:
        raise UselessLineError("lines with a time before 2000 or after 2100")
    return entry


def _take(found: Found, label: str, entry: Entry) -> None:
    found.asked(label, entry.method, _BESIDE.sub("", entry.target))
    if entry.is_exact:
        at_us = round((entry.at_s - entry.took_s) * 1_000_000)
        found.arrival(label, at_us // 1000, entry.visitor or None)
    else:
        found.logged(label, int(entry.at_s), round(entry.took_s * 1000), entry.visitor or None)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines in UTF-8; of one that is too long a part that is too long as well."""
    encoding = encoding_of(file)
    if encoding == UTF_16:
        with text_lines(file, encoding) as lines:
            for text in lines:
                yield text.encode("utf-8", "replace")
        return
    if encoding != UTF_8:
        file.read(len(codecs.BOM_UTF8))
    while line := file.readline(LONGEST_LINE + 2):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 2)
