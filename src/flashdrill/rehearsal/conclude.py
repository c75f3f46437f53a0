"""The end of a run: what was found is judged, kept and reported."""

from __future__ import annotations

from datetime import datetime

from flashdrill.model.result import RunResult
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.judgement import judgement
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.records import (
    keep_history,
    read_service_events,
    write_events,
    write_resolved,
)
from flashdrill.rehearsal.trace import Trace
from flashdrill.report.write import write_reports


def conclude(prepared: Prepared, folder: RunFolder, trace: Trace, began: datetime) -> RunResult:
    """Judge the run and write everything into its folder."""
    ops = keep_history(folder)
    read_service_events(folder, trace)
    result = judgement(prepared, trace, ops, began)
    write_events(folder, trace)
    write_resolved(folder, prepared)
    if trace.samples is not None:
        trace.samples.write(folder.path / "resources.parquet")
    write_reports(result, folder.path, prepared.reports / "templates")
    return result
