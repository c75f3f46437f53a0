"""From what was found to the result and its reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import yaml

from flashdrill.analysis import recovery
from flashdrill.analysis.attribution import CpuShares, attribute
from flashdrill.analysis.catalogue import load_catalogue
from flashdrill.analysis.gates import evaluate
from flashdrill.analysis.operations import operation_stats
from flashdrill.analysis.samples import Series
from flashdrill.analysis.timeline import timeline
from flashdrill.analysis.validity import after_rig_failure, cpu_by_stage, validate
from flashdrill.analysis.verdict import judge
from flashdrill.audit.checkers import check_all
from flashdrill.load.record import read_stream
from flashdrill.load.schedule import arrivals
from flashdrill.model.history import OPS_SCHEMA, ops_from_table, write_ops
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import Invariant, RunResult
from flashdrill.model.scenario import Scenario
from flashdrill.observe.samples import SampleTable
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.topology import SHARDS
from flashdrill.rehearsal.trace import Trace
from flashdrill.report.write import write_reports


def conclude(prepared: Prepared, folder: RunFolder, trace: Trace, began: datetime) -> RunResult:
    """Judge the run and write everything into its folder."""
    ops = _history(folder)
    _read_service_events(folder, trace)
    result = _result(prepared, trace, ops, began)
    _write_events(folder, trace)
    _write_resolved(folder, prepared)
    if trace.samples is not None:
        trace.samples.write(folder.path / "resources.parquet")
    write_reports(result, folder.path, prepared.reports / "templates")
    return result


def _history(folder: RunFolder) -> pa.Table:
    """The crowd's record, kept as ops.parquet. Without one the history is empty."""
    stream = folder.path / "ops.arrows"
    if not stream.exists():
        return OPS_SCHEMA.empty_table()
    table = read_stream(stream)
    write_ops(table, folder.path / "ops.parquet")
    stream.unlink()
    return table


def _result(prepared: Prepared, trace: Trace, ops: pa.Table, began: datetime) -> RunResult:
    scenario = prepared.scenario
    scheduled = Counter(arrival.stage for arrival in arrivals(scenario.stages, scenario.seed))
    generator = cpu_by_stage(trace.seconds)
    faults = recovery.measure(trace.faults, ops, trace.service_events, trace.t0_ns)
    validity = validate(ops, scenario.stages, scenario.gates, scheduled, dict(generator))
    if trace.rig_failed_ns:
        since_s = (trace.rig_failed_ns - trace.t0_ns) / 1e9
        validity = after_rig_failure(validity, scenario.stages, since_s, trace.rig_failure)
    gates = evaluate(scenario.gates, ops, validity, faults, trace.drain_s, scenario.stages)
    invariants = _invariants(trace, ops)
    series = Series(trace.samples or ())
    bottleneck = attribute(
        series,
        scenario.stages,
        trace.t0_ns,
        load_catalogue(prepared.reports),
        validity,
        _cpu(trace.samples, scenario, trace.t0_ns, generator),
    )
    if trace.rig_failed_ns:
        sentence = f"No bottleneck can be named: {trace.rig_failure} while it was being looked for."
        bottleneck = replace(bottleneck, named=None, sentence=sentence, remedy="")
    stats = operation_stats(ops)
    return RunResult(
        verdict=judge(
            invariants,
            gates,
            validity,
            faults,
            trace.problems,
            trace.was_interrupted,
            trace.stack_error,
        ),
        scenario=_scenario(scenario),
        chaos={"plans": list(prepared.plan_names), "faults": len(prepared.plan.faults)},
        seed=scenario.seed,
        started_at=began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=_duration_s(trace),
        load={"scheduled": sum(scheduled.values()), "generator": trace.crowd},
        operations=stats,
        stages=tuple(
            {"name": s.name, "start_s": s.start_s, "duration_s": s.duration_s}
            for s in scenario.stages
        ),
        faults=faults,
        invariants=invariants,
        audit={"drain_s": trace.drain_s, "final_reads": _counts(trace.reads)},
        bottleneck=bottleneck,
        capacity={},
        gates=gates,
        validity=validity,
        environment=trace.environment,
        timeline=timeline(
            ops,
            _queues(series, trace.t0_ns),
            trace.service_events,
            trace.t0_ns,
            scenario.duration_s,
        ),
        command=prepared.order.command,
        events=tuple(trace.fault_events),
    )


def _cpu(
    samples: SampleTable | None, scenario: Scenario, t0_ns: int, generator: Mapping[str, float]
) -> CpuShares:
    """Shares of the host's cores and of the load process, per stage and over the whole run."""
    if samples is None:
        return CpuShares(generator=generator)
    stretches = {stage.name: (stage.start_s, stage.end_s) for stage in scenario.stages}
    stretches[""] = (0.0, scenario.duration_s)
    host = {}
    for name, (start_s, end_s) in stretches.items():
        span = t0_ns + round(start_s * 1e9), t0_ns + round(end_s * 1e9)
        grown = {
            mode: samples.delta("host_cpu_seconds_total", *span, mode=mode) or 0.0
            for mode in ("busy", "idle", "iowait", "steal")
        }
        if total := sum(grown.values()):
            host[name] = (grown["busy"] + grown["steal"]) / total
    cores = samples.series("host_cpu_count")
    return CpuShares(host=host, generator=generator, host_cores=round(cores[-1][1]) if cores else 1)


def _invariants(trace: Trace, ops: pa.Table) -> tuple[Invariant, ...]:
    names = tuple(f"shard{number}" for number in range(SHARDS))
    reads = trace.reads or FinalReads(shards=SHARDS, missing=names)
    return check_all(
        list(ops_from_table(ops)),
        reads,
        is_history_complete=bool(trace.crowd.get("event") == "done"),
    )


def _queues(series: Series, t0_ns: int) -> dict[str, list[tuple[float, float]]]:
    metric = "flashdrill_queue_depth"
    return {
        f"queue {shard}": [
            ((t - t0_ns) / 1e9, value) for t, value in series.points(metric, shard=shard)
        ]
        for shard in series.label_values(metric, "shard")
    }


def _scenario(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "description": scenario.description,
        "time_scale": scenario.time_scale,
        "duration_s": scenario.duration_s,
        "gates": [gate.text for gate in scenario.gates],
        "backend": dict(scenario.backend),
    }


def _duration_s(trace: Trace) -> float:
    return (trace.load_ended_ns - trace.t0_ns) / 1e9 if trace.t0_ns else 0.0


def _counts(reads: FinalReads | None) -> Mapping[str, Any]:
    if reads is None:
        return {"missing": ["all"]}
    return {
        "orders": len(reads.orders),
        "lines": len(reads.lines),
        "payments": len(reads.payments),
        "queue_depth": reads.queue_depth,
        "open_sessions": reads.open_sessions,
        "missing": list(reads.missing),
    }


def _read_service_events(folder: RunFolder, trace: Trace) -> None:
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


def _write_events(folder: RunFolder, trace: Trace) -> None:
    """Everything that happened, in time order, with the time since the run's start."""
    events = sorted([*trace.fault_events, *trace.service_events], key=lambda e: e["t_mono_ns"])
    _dump(
        folder.events,
        [{"t_s": round((e["t_mono_ns"] - trace.t0_ns) / 1e9, 4), **e} for e in events]
        if trace.t0_ns
        else events,
    )


def _write_resolved(folder: RunFolder, prepared: Prepared) -> None:
    """The scenario and the plan as they were run, every default and `--set` applied, and the command."""
    for name, document in (("scenario", prepared.scenario), ("plan", prepared.plan)):
        plain = msgspec.to_builtins(document, enc_hook=str)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        (folder.path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder.path / "command.txt").write_text(prepared.order.command + "\n")


def _dump(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
