"""What several load processes say, as if one had said it: counts added, times by bucket added, percentiles of the sum.

A second is told when each process that is not done has told it, or a later one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flashdrill.load.live import Tally, added, percentiles

Line = dict[str, Any]
_COUNTS = tuple(Tally().counts())
_ROUNDING_S = 0.1
"""A second may be told so much before its end."""


class Several:
    """Takes in the lines of `workers` load processes in any order."""

    def __init__(self, workers: int) -> None:
        self._last = [0] * workers
        self._done: dict[int, Line] = {}
        self._seconds: dict[int, dict[int, Line]] = {}

    def take(self, worker: int, line: Line) -> list[Line]:
        """What can be told now that one process has said this: no line, or some, in order."""
        match line.get("event"):
            case "second":
                number = max(self._last[worker] + 1, int(line["t_s"] + _ROUNDING_S))
                self._last[worker] = number
                self._seconds.setdefault(number, {})[worker] = line
                return self._complete()
            case "done":
                self._done[worker] = line
                told = self._complete()
                return [*told, done(self._done)] if len(self._done) == len(self._last) else told
            case "ready":
                return []
            case _:
                return [{**line, "worker": worker}]

    def _complete(self) -> list[Line]:
        behind = [last for worker, last in enumerate(self._last) if worker not in self._done]
        told_by_all = min(behind, default=max(self._last))
        numbers = sorted(number for number in self._seconds if number <= told_by_all)
        return [second(self._seconds.pop(number)) for number in numbers]


def second(parts: Mapping[int, Line]) -> Line:
    """One second of several processes, by worker. `cpu` is the busiest one's, `processes` has each one's."""
    lines = [parts[worker] for worker in sorted(parts)]
    operations = _operations(lines)
    lateness = added(_buckets(line["lateness"]) for line in lines)
    response = added(kind["response"] for kind in operations.values())
    return {
        "event": "second",
        "t_s": max(line["t_s"] for line in lines),
        "stage": lines[0]["stage"],
        **_sums(lines, (*_COUNTS, "in_flight")),
        **percentiles(response, lateness),
        "lateness": lateness,
        "cpu": max(line["cpu"] for line in lines),
        "operations": operations,
        "processes": [{"worker": worker, "cpu": parts[worker]["cpu"]} for worker in sorted(parts)],
    }


def done(parts: Mapping[int, Line]) -> Line:
    """The totals of several processes, by worker; `workers` has each one's."""
    lines = [parts[worker] for worker in sorted(parts)]
    closed = [line for line in lines if "closed_users" in line]
    beside = {
        "closed_users": sorted({name for line in closed for name in line["closed_users"]}),
        "closed_requests": sum(line["closed_requests"] for line in closed),
    }
    fenced: Counter[str] = Counter()
    for line in lines:
        fenced.update(line.get("fenced", {}))
    each = ("due", "sent", "max_cpu", "lateness_max_ms", "interrupted")
    return {
        "event": "done",
        "t_s": max(line["t_s"] for line in lines),
        **_sums(lines, (*_COUNTS, "crowd_errors")),
        "max_cpu": max(line["max_cpu"] for line in lines),
        "lateness_max_ms": max(line["lateness_max_ms"] for line in lines),
        "interrupted": any(line["interrupted"] for line in lines),
        **(beside if closed else {}),
        **({"fenced": fenced} if fenced else {}),
        "workers": [
            {"worker": worker, **{name: parts[worker][name] for name in each}}
            for worker in sorted(parts)
        ],
    }


def _operations(lines: Sequence[Line]) -> dict[str, Line]:
    names = sorted({name for line in lines for name in line["operations"]})
    return {name: _kind([line["operations"].get(name, {}) for line in lines]) for name in names}


def _kind(parts: Sequence[Line]) -> Line:
    """One kind of operation in several processes; whatever is counted is added."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update({name: n for name, n in part.items() if name != "response"})
    response = added(_buckets(part.get("response", {})) for part in parts)
    return {**counts, "response": response}


def _buckets(told: Mapping[Any, int]) -> dict[int, int]:
    """Counts by bucket: JSON makes text of its numbers."""
    return {int(number): count for number, count in told.items()}


def _sums(lines: Sequence[Line], names: Sequence[str]) -> dict[str, int]:
    return {name: sum(line[name] for line in lines) for name in names}
