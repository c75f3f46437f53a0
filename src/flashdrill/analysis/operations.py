"""Statistics of each kind of operation, by stage and over the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flashdrill.analysis.columns import Columns, columns
from flashdrill.analysis.percentiles import percentiles
from flashdrill.model.result import OperationStats

NO_ANSWER = "none"
EVERY_KIND = "all"
"""The kind of the row that sums up the whole run."""


def operation_stats(ops: pa.Table) -> tuple[OperationStats, ...]:
    """One row per stage and kind (both in the order of their first due time), then per kind over the
    whole run (`stage` empty), then one row over everything (`kind` is `all`). Nothing without operations."""
    return tuple(_rows(columns(ops)))


def attempts_by_status(ops: pa.Table) -> dict[str, int]:
    """How many HTTP requests of all operations were answered with each status, `none` for no answer."""
    if ops.num_rows == 0:
        return {}
    attempts = pc.list_flatten(ops.column("attempts").combine_chunks())
    counted = pc.value_counts(pc.struct_field(attempts, "status")).to_pylist()
    ordered = sorted((entry["values"], entry["counts"]) for entry in counted)
    return {str(status) if status else NO_ANSWER: count for status, count in ordered}


def _rows(history: Columns) -> Iterator[OperationStats]:
    kinds = list(dict.fromkeys(history.kind.tolist()))
    for stage in dict.fromkeys(history.stage.tolist()):
        for kind in kinds:
            part = history.of(kind=kind, stage=stage)
            if len(part):
                yield summarise(part, stage=stage, kind=kind)
    for kind in kinds:
        yield summarise(history.of(kind=kind), stage="", kind=kind)
    if kinds:
        yield summarise(history, stage="", kind=EVERY_KIND)


def summarise(part: Columns, *, stage: str, kind: str) -> OperationStats:
    """The statistics of these operations. Times are of those sent: what never left has no response."""
    sent = part.where(part.is_sent)
    due = len(part)
    return OperationStats(
        stage=stage,
        kind=kind,
        due=due,
        sent=len(sent),
        ok=_count(part.is_ok),
        queued=_count(part.is_queued),
        refused=_count(part.is_refused),
        fail=_count(part.is_failed),
        info=_count(part.is_info),
        error_rate=_count(part.is_bad) / due if due else 0.0,
        refusal_rate=_count(part.is_refused) / due if due else 0.0,
        response=percentiles(sent.response_s),
        service=percentiles(sent.service_s),
        lateness=percentiles(sent.lateness_s),
    )


def _count(mask: object) -> int:
    return int(np.count_nonzero(mask))  # type: ignore[call-overload]
