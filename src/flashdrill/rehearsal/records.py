"""The files of a run's folder that are not reports: the history, the events, what was run."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import yaml

from flashdrill.load.hall import clocks
from flashdrill.load.record import to_parquet
from flashdrill.model.addresses import shown
from flashdrill.model.history import OPS_SCHEMA, read_ops
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.sorting import PART_ROWS, in_order
from flashdrill.rehearsal.trace import Trace


def keep_history(folder: RunFolder) -> pa.Table:
    """The crowd's record, kept as ops.parquet; the records of several load processes become one, in the order in which
    operations ended. Without one the history is empty."""
    streams = sorted(folder.path.glob("ops*.record"))
    history = folder.path / "ops.parquet"
    if not streams:
        return OPS_SCHEMA.empty_table()
    shifts_ns = {worker: clock.shift_ns for worker, clock in clocks(folder.master_events).items()}
    with TemporaryDirectory(dir=folder.path, prefix="sorting-") as scratch:
        parts = [Path(scratch) / f"{stream.stem}.parquet" for stream in streams]
        for stream, part in zip(streams, parts, strict=True):
            to_parquet(stream, part, shifts_ns, group_rows=PART_ROWS)
        whole = Path(scratch) / "whole"
        in_order(parts, whole)
        whole.replace(history)
    for stream in streams:
        stream.unlink()
    return read_ops(history)


def read_service_events(folder: RunFolder, trace: Trace) -> None:
    """The service's own events. A line cut by a SIGKILL is left out."""
    path = folder.logs / "backend-events.jsonl"
    if path.exists():
        trace.service_events = [
            event for line in path.read_text().splitlines() if (event := _parsed(line))
        ]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "t_mono_ns" in event else None


def write_events(folder: RunFolder, trace: Trace) -> None:
    """Everything that happened, in time order, with the time since the run's start."""
    events = sorted([*trace.fault_events, *trace.service_events], key=lambda e: e["t_mono_ns"])
    origin_ns = trace.t0_ns or (events[0]["t_mono_ns"] if events else 0)
    lines = ({"t_s": round((e["t_mono_ns"] - origin_ns) / 1e9, 4), **e} for e in events)
    folder.events.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _without_queries(told: Any) -> Any:
    """A service with what its addresses may give away hidden; queries in SQL stay as they are."""
    if isinstance(told, dict):
        return {k: v if k == "sql" else _without_queries(v) for k, v in told.items()}
    return shown(told) if isinstance(told, str) else told


def write_resolved(folder: RunFolder, prepared: Prepared) -> None:
    """The scenario and the plan as they were run, every default and `--set` applied, and the command."""
    for name, document in (("scenario", prepared.scenario), ("plan", prepared.plan)):
        plain = msgspec.to_builtins(document, enc_hook=str)
        if service := plain.get("service"):
            plain["service"] = _without_queries(service)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        (folder.path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder.path / "command.txt").write_text(prepared.order.command + "\n")
