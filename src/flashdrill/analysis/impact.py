"""What customers saw of each fault, and when its target was degraded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flashdrill.analysis.bands import Band, bands
from flashdrill.analysis.columns import Columns, Mask, columns
from flashdrill.analysis.operations import attempts_by_status
from flashdrill.analysis.percentiles import quantile
from flashdrill.model.faults import FaultRecord
from flashdrill.model.trouble import FaultImpact

BEFORE_NS = 10_000_000_000
ENOUGH = 20
"""Fewer operations say nothing about how it was before."""


def with_impact(
    records: Sequence[FaultRecord],
    ops: pa.Table,
    events: Iterable[Mapping[str, Any]],
    t0_ns: int,
) -> tuple[FaultRecord, ...]:
    """The records with `degrade_s` and `impact` filled in; those without an effect are left alone.

    `events` are the backend's (`t_mono_ns`, `event`, `target`, `state`), `t0_ns` the run's start on their clock.
    """
    history, told = columns(ops), tuple(events)
    ordered = ops.select(["due_ns", "attempts"]).sort_by("due_ns")
    found = {band.fault: band for band in bands(records, t0_ns)}
    return tuple(
        replace(
            record,
            degrade_s=_degrade_s(record.target, found[record.id], told),
            impact=_impact(ordered, history, found[record.id], tuple(found.values())),
        )
        if record.id in found
        else record
        for record in records
    )


def _degrade_s(target: str, band: Band, events: Iterable[Mapping[str, Any]]) -> float | None:
    """From the fault's start to the first degraded level of its target, while the fault was in force."""
    for event in events:
        t_ns = int(event.get("t_mono_ns", 0))
        is_level = event.get("event") == "level" and event.get("target") == target
        if is_level and event.get("state") not in (0, "0") and band.meets(t_ns, t_ns):
            return (t_ns - band.start_ns) / 1e9
    return None


def _impact(ops: pa.Table, history: Columns, band: Band, every: Sequence[Band]) -> FaultImpact:
    open_then = (history.due_ns <= band.end_ns) & (history.done_ns >= band.start_ns)
    met = history.where(open_then)
    requests = ops.filter(pa.array(open_then))
    return FaultImpact(
        operations=len(met),
        ok=_count(met.is_ok),
        queued=_count(met.is_queued),
        refused=_count(met.is_refused),
        fail=_count(met.is_failed),
        info=_count(met.is_info),
        retried=_count(pc.list_value_length(requests.column("attempts")).to_numpy() > 1),
        answers_by_status=attempts_by_status(requests),
        p50_s=quantile(met.where(met.is_sent).response_s, 0.50),
        p99_s=quantile(met.where(met.is_sent).response_s, 0.99),
        p99_before_s=quantile(_before(history, band, every).response_s, 0.99),
    )


def _before(history: Columns, band: Band, every: Sequence[Band]) -> Columns:
    """What was answered in the 10 s before the fault and met no other; nothing when there is too little of it."""
    quiet = history.is_sent & (history.due_ns >= band.start_ns - BEFORE_NS)
    quiet &= history.done_ns < band.start_ns
    for other in every:
        quiet &= (history.done_ns < other.start_ns) | (history.due_ns > other.end_ns)
    return history.where(quiet if np.count_nonzero(quiet) >= ENOUGH else np.zeros_like(quiet))


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
