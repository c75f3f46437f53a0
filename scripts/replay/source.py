"""Recordings read once more, without the importers: what a replay is compared with.

It knows two formats by their own rules and no others: JMeter's CSV with a head line, and access logs with the time in
brackets and the request in quotes, to the second.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_LOGGED = re.compile(r'\[([^\]]+)\] "([A-Z]+) (\S+)[^"]*" ')


@dataclass(frozen=True, slots=True)
class Source:
    """How many requests each label has in each second since 1970, and how many lines are none."""

    kind: str  # jtl, access-log
    per_second: Counter[tuple[str, int]]
    other_lines: int

    @property
    def requests(self) -> int:
        """All of them."""
        return self.per_second.total()

    def labels(self) -> dict[str, int]:
        """Requests by label."""
        counts: Counter[str] = Counter()
        for (label, _), number in self.per_second.items():
            counts[label] += number
        return dict(counts)


def read(path: Path, labels: Container[str]) -> Source:
    """The recording. `labels` are those of the traffic model: a route that is none of them is told by a `*`."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        if "timeStamp" in file.readline():
            return _jtl(path)
    return _access_log(path, labels)


def _jtl(path: Path) -> Source:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["label"], int(row["timeStamp"]) // 1000) for row in csv.DictReader(file)]
    return Source("jtl", Counter(rows), 0)


def _access_log(path: Path, labels: Container[str]) -> Source:
    found: Counter[tuple[str, int]] = Counter()
    others = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            logged = _LOGGED.search(line)
            if logged is None:
                others += 1
                continue
            at = datetime.strptime(logged[1], "%d/%b/%Y:%H:%M:%S %z")
            found[_label(logged[2], logged[3], labels), int(at.timestamp())] += 1
    return Source("access-log", found, others)


def _label(method: str, target: str, labels: Container[str]) -> str:
    first = next((part for part in re.split(r"[?#]", target)[0].split("/") if part), "")
    label = f"{method} /{first}"
    return label if label in labels else f"{method} /*"
