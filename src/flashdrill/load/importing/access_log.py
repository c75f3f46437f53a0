"""A web server's access log into a traffic model: one arrival for each request, under its method and route.

A log has seconds, mostly: the requests of one second are spread evenly over it, in their order; times with a fraction
are exact. A line is written when a request is over: where it says how long the request took, the arrival is so much
earlier. Paths are cut to their first parts, so that there are as many labels as there are routes; numbers and ids in
them become `*`. The log is streamed; what comes late has its place all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from flashdrill.load.importing.found import EARLIEST_MS, EMPTY, LATEST_MS, Found
from flashdrill.load.importing.log_format import reader_of
from flashdrill.load.importing.log_line import (
    LONGEST_LINE,
    Entry,
    UselessLineError,
    entry_of,
    form_of,
)
from flashdrill.load.importing.route import label_of
from flashdrill.load.importing.source import opened
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
    return model_of_log(found, mapping, tolerance)


def model_of_log(
    found: Found, mapping: Sequence[str] = (), tolerance: float = TOLERANCE
) -> TrafficModel:
    """The traffic model of what was found. Raises ConfigError."""
    return found.model(
        mapping,
        tolerance=tolerance,
        most_labels=MOST_LABELS,
        fewer_labels="keep fewer parts of the path, with --depth 1",
        remedy="it takes the common and combined formats, nginx's, JSON lines, and yours with --format",
    )


def read_access_log(path: Path, form: LogForm) -> Found:
    """What is in an access log. Raises ConfigError for a file that cannot be read."""
    found = Found(path)
    read = reader_of(form.log_format) if form.log_format else entry_of
    is_excluded: dict[str, bool] = {}
    is_known = False
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
            label = label_of(entry.method, entry.target, form.depth)
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
    """The lines; of one that is too long a part that is too long as well."""
    while line := file.readline(LONGEST_LINE + 2):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 2)
