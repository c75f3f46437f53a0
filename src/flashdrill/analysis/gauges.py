"""What was sampled beside the operations, as series over the run's time for the report's panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

from flashdrill.analysis.samples import Series

Points: TypeAlias = list[tuple[float, float]]
QUEUE_DEPTH = "flashdrill_queue_depth"
HOST_CPU = "host_cpu_seconds_total"
PROCESS_CPU = "process_cpu_seconds_total"


def gauges(series: Series, seconds: Iterable[Mapping[str, Any]], t0_ns: int) -> dict[str, Points]:
    """Points (t_s, value) by name: `queue shard0` in records; `cpu host` as a share of all its cores, `cpu backend`
    and `cpu generator` as shares of one core; `lateness generator` as the p99 of each second, in seconds.

    `seconds` are the load process' own lines (live.jsonl).
    """
    told = list(seconds)
    found = {
        **_queues(series, t0_ns),
        "cpu host": _host_cpu(series, t0_ns),
        "cpu backend": _rates(series.points(PROCESS_CPU, process="backend"), t0_ns),
        "cpu generator": [(s["t_s"], s["cpu"]) for s in told if s.get("cpu") is not None],
        "lateness generator": [
            (s["t_s"], s["lateness_p99_ms"] / 1000)
            for s in told
            if s.get("lateness_p99_ms") is not None
        ],
    }
    return {name: points for name, points in found.items() if points}


def _queues(series: Series, t0_ns: int) -> dict[str, Points]:
    return {
        f"queue {shard}": [
            ((t - t0_ns) / 1e9, value) for t, value in series.points(QUEUE_DEPTH, shard=shard)
        ]
        for shard in series.label_values(QUEUE_DEPTH, "shard")
    }


def _host_cpu(series: Series, t0_ns: int) -> Points:
    """The busy share of every stretch between two samples; stolen time counts as busy: it is not ours to use."""
    modes = {m: series.points(HOST_CPU, mode=m) for m in ("busy", "idle", "iowait", "steal")}
    if not all(modes.values()):
        return []
    found: Points = []
    for before, after in pairwise(zip(*modes.values(), strict=False)):
        grown = [b[1] - a[1] for a, b in zip(before, after, strict=True)]
        if (total := sum(grown)) > 0:
            found.append(((after[0][0] - t0_ns) / 1e9, (grown[0] + grown[3]) / total))
    return found


def _rates(points: Iterable[tuple[int, float]], t0_ns: int) -> Points:
    """Growth per second of a counter; where it fell the process was started again, and nothing is said."""
    return [
        ((t1 - t0_ns) / 1e9, (value1 - value0) / ((t1 - t0) / 1e9))
        for (t0, value0), (t1, value1) in pairwise(points)
        if value1 >= value0 and t1 > t0
    ]
