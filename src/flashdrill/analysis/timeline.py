"""The run second by second, for the report's panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa

from flashdrill.analysis.columns import Columns, Integers, Mask, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.model.result import Timeline

BREAKER_VALUES = {"closed": 0.0, "half-open": 1.0, "half_open": 1.0, "open": 2.0}
Points = Sequence[tuple[float, float]]


def timeline(
    ops: pa.Table,
    series: Mapping[str, Points],
    events: Iterable[Mapping[str, Any]],
    t0_ns: int,
    duration_s: float,
) -> Timeline:
    """One entry a second from the run's start (`t0_ns`) on.

    Operations belong to the second in which they were due, whatever became of them and whenever (only
    `sent_per_s` goes by the time of sending); `ok_per_s` leaves out the queued ones, so that the outcomes
    add up. `series` are sampled values as (t_s, value), such as `queue shard0`; breaker and level series
    are added from the events, at their exact times.
    """
    history, told = columns(ops), tuple(events)
    seconds = max(0, ceil(duration_s))
    second = (history.due_ns - t0_ns) // 1_000_000_000
    sent = history.where(history.is_sent)
    medians, tails = _percentiles(history, second, seconds)
    return Timeline(
        t_s=[float(t) for t in range(seconds)],
        due_per_s=_counts(second, seconds),
        sent_per_s=_counts((sent.sent_ns - t0_ns) // 1_000_000_000, seconds),
        ok_per_s=_counts(second[history.is_ok & ~history.is_queued], seconds),
        queued_per_s=_counts(second[history.is_queued], seconds),
        refused_per_s=_counts(second[history.is_refused], seconds),
        fail_per_s=_counts(second[history.is_failed], seconds),
        info_per_s=_counts(second[history.is_info], seconds),
        p50_s=medians,
        p99_s=tails,
        series={**{name: list(points) for name, points in series.items()}, **steps(told, t0_ns)},
        has_service_events=bool(told),
    )


def steps(events: Iterable[Mapping[str, Any]], t0_ns: int) -> dict[str, list[tuple[float, float]]]:
    """Breaker states (0 closed, 1 half-open, 2 open) and levels over time, such as `breaker shard0`.

    Each series starts at 0 with the run; a restart of the service (`start`) sets all back to 0.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for event in sorted(events, key=lambda e: int(e.get("t_mono_ns", 0))):
        t_s = (int(event.get("t_mono_ns", 0)) - t0_ns) / 1e9
        kind = event.get("event")
        if kind == "start":
            for points in found.values():
                points.append((max(0.0, t_s), 0.0))
        elif kind in {"breaker", "level"}:
            points = found.setdefault(f"{kind} {event.get('target', '')}", [(0.0, 0.0)])
            points.append((max(0.0, t_s), _value(event.get("state"))))
    return found


def _value(state: object) -> float:
    if isinstance(state, int | float):
        return float(state)
    text = str(state)
    return BREAKER_VALUES.get(text, float(text) if text.isdigit() else 0.0)


def _counts(second: Integers, seconds: int) -> list[float]:
    inside: Mask = (second >= 0) & (second < seconds)
    return [float(n) for n in np.bincount(second[inside], minlength=seconds)[:seconds]]


def _percentiles(
    history: Columns, second: Integers, seconds: int
) -> tuple[list[float | None], list[float | None]]:
    """Median and p99 of the response times of those due in each second (the columns are in that order)."""
    responses, second = history.response_s[history.is_sent], second[history.is_sent]
    edges = np.searchsorted(second, np.arange(seconds + 1))
    slices = [responses[edges[t] : edges[t + 1]] for t in range(seconds)]
    return [quantile(s, 0.50) for s in slices], [quantile(s, 0.99) for s in slices]
