"""From what a run has found to its result: every judgement in one place, all of them functions of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flashdrill.analysis import recovery
from flashdrill.analysis.attribution import GENERATOR, HOST, CpuShares, attribute
from flashdrill.analysis.bands import bands
from flashdrill.analysis.catalogue import load_catalogue
from flashdrill.analysis.closed_loop import closed_loops
from flashdrill.analysis.columns import JUDGED, columns
from flashdrill.analysis.errors import errors_by_kind
from flashdrill.analysis.gates import evaluate, unit_of
from flashdrill.analysis.gauges import gauges
from flashdrill.analysis.generator import with_generator_limit
from flashdrill.analysis.impact import with_impact
from flashdrill.analysis.knee import beside_the_knee, find_knee, past_the_knee, remarks
from flashdrill.analysis.operations import attempts_by_status, operation_stats
from flashdrill.analysis.samples import Series
from flashdrill.analysis.slowest import slowest
from flashdrill.analysis.steady_state import recovery_span, steady_results
from flashdrill.analysis.timeline import timeline
from flashdrill.analysis.validity import (
    after_rig_failure,
    after_stop,
    busiest_cpu,
    cpu_by_process,
    doubt_between,
    tightest_s,
    validate,
    with_processes,
)
from flashdrill.analysis.verdict import judge
from flashdrill.audit.checkers import LOOKED_AT, check_all
from flashdrill.audit.scope import check_asked
from flashdrill.load.schedule import arrivals
from flashdrill.model.capacity import Capacity, Knee
from flashdrill.model.climbed import Climbed
from flashdrill.model.condition import Condition
from flashdrill.model.faults import FaultRecord
from flashdrill.model.history import ops_from_table
from flashdrill.model.op import Op
from flashdrill.model.peak import peak_of
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import (
    Bottleneck,
    Invariant,
    NotChecked,
    RunResult,
    StageValidity,
    Timeline,
)
from flashdrill.model.scenario import Scenario
from flashdrill.model.service import Service
from flashdrill.model.steady_state import Aborted, SteadyResult
from flashdrill.observe.samples import SampleTable
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.topology import SHARDS
from flashdrill.rehearsal.trace import Trace

NO_COUNTERS = (
    "The service gives no counters of its resources, so only this machine's CPU was looked at."
)


def judgement(prepared: Prepared, trace: Trace, ops: pa.Table, began: datetime) -> RunResult:
    """The result of a run, as far as it came. `ops` is the history, `began` the UTC time of its start."""
    scenario = _as_climbed(prepared.scenario, trace.climbed)
    prepared = replace(prepared, scenario=scenario)
    scheduled = _scheduled(scenario)
    measured = recovery.measure(trace.faults, ops, trace.service_events, trace.t0_ns)
    faults = with_impact(measured, ops, trace.service_events, trace.t0_ns)
    in_force = bands(faults, trace.t0_ns)
    validity = _validity(scenario, trace, ops, scheduled)
    knee = _knee(scenario, trace, ops, validity)
    validity = past_the_knee(validity, knee.steps if knee else ())
    gates = evaluate(scenario.gates, ops, validity, faults, trace.drain_s, scenario.stages)
    invariants, not_checked = _invariants(prepared, trace, ops)
    steady, aborted = _steady(scenario, trace, ops, faults), _aborted(prepared, trace, ops)
    problems = [*trace.problems, *_never_looked_at(prepared, ops), *_never_acknowledged(ops)]
    doubts = (problems, trace.was_interrupted, trace.stack_error)
    return RunResult(
        verdict=judge(
            invariants,
            gates,
            validity,
            faults,
            *doubts,
            steady,
            aborted,
            not_checked,
            remarks(knee),
        ),
        scenario=_scenario(prepared),
        chaos={"plans": list(prepared.plan_names), "faults": len(prepared.plan.faults)},
        seed=scenario.seed,
        started_at=began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=_duration_s(trace),
        load={
            "scheduled": sum(share.total() for share in scheduled),
            "attempts_by_status": attempts_by_status(ops),
            "generator": trace.crowd,
        },
        operations=operation_stats(ops),
        stages=_stages(scenario),
        faults=faults,
        invariants=invariants,
        audit={"drain_s": trace.drain_s, "final_reads": _counts(trace.reads, scenario.service)},
        bottleneck=beside_the_knee(_bottleneck(prepared, trace, validity), knee),
        capacity=Capacity(trace.calibration, max(map(peak_of, scenario.stages), default=0.0), knee),
        gates=gates,
        validity=validity,
        environment=trace.environment,
        timeline=_timeline(trace, ops),
        command=prepared.order.command,
        events=tuple(trace.fault_events),
        errors=errors_by_kind(ops, in_force, trace.t0_ns),
        slowest=slowest(ops, in_force, trace.t0_ns),
        steady_state=steady,
        aborted=aborted,
        not_checked=not_checked,
        closed_loop=closed_loops(ops, validity, {s.name: s.duration_s for s in scenario.stages}),
    )


def _as_climbed(scenario: Scenario, climbed: Climbed | None) -> Scenario:
    """The scenario with the steps that were taken, in the place of those that were planned."""
    if climbed is None or scenario.climb is None:
        return scenario
    before = [s for s in scenario.stages if s.start_s < scenario.climb.start_s]
    taken = [stage for step in climbed.steps for stage in step.stages]
    return replace(scenario, stages=(*before, *taken))


def _knee(
    scenario: Scenario, trace: Trace, ops: pa.Table, validity: tuple[StageValidity, ...]
) -> Knee | None:
    if scenario.climb is None or trace.climbed is None:
        return None
    return find_knee(scenario.climb, trace.climbed, ops, validity, trace.t0_ns)


def _validity(
    scenario: Scenario, trace: Trace, ops: pa.Table, scheduled: Sequence[Mapping[str, int]]
) -> tuple[StageValidity, ...]:
    due = Counter[str]()
    for share in scheduled:
        due.update(share)
    whole = validate(ops, scenario.stages, scenario.gates, due, busiest_cpu(trace.seconds))
    validity = with_generator_limit(
        with_processes(whole, _by_process(scenario, trace, ops, scheduled)),
        scenario.stages,
        trace.calibration,
    )
    if trace.stopped_s is not None:
        validity = after_stop(validity, scenario.stages, trace.stopped_s)
    if not trace.rig_failed_ns:
        return validity
    since_s = (trace.rig_failed_ns - trace.t0_ns) / 1e9
    return after_rig_failure(validity, scenario.stages, since_s, trace.rig_failure)


def _scheduled(scenario: Scenario) -> list[Counter[str]]:
    """How many arrivals each load process has in each stage, by the schedule."""
    workers = scenario.limits.workers
    due: list[Counter[str]] = [Counter() for _ in range(workers)]
    for arrival in arrivals(scenario.stages, scenario.seed):
        due[arrival.index % workers][arrival.stage] += 1
    return due


def _by_process(
    scenario: Scenario, trace: Trace, ops: pa.Table, scheduled: Sequence[Mapping[str, int]]
) -> list[tuple[StageValidity, ...]]:
    """The validity of each of several load processes, by its own arrivals, lateness and CPU; empty for one."""
    if len(scheduled) == 1:
        return []
    cpu = cpu_by_process(trace.seconds)
    judged = ops.select([*JUDGED, "worker"])
    return [
        validate(
            judged.filter(pc.field("worker") == worker),
            scenario.stages,
            scenario.gates,
            due,
            cpu.get(worker, {}),
        )
        for worker, due in enumerate(scheduled)
    ]


def _steady(
    scenario: Scenario, trace: Trace, ops: pa.Table, faults: tuple[FaultRecord, ...]
) -> tuple[SteadyResult, ...]:
    conditions = [watched.condition for watched in trace.steady]
    span_s = recovery_span(trace.steady, faults)
    doubt = _doubt(scenario, trace, ops, span_s, conditions) if span_s else ""
    return steady_results(trace.steady, faults, trace.aborted is not None, doubt)


def _aborted(prepared: Prepared, trace: Trace, ops: pa.Table) -> Aborted | None:
    found = trace.aborted
    if found is None:
        return None
    conditions = [condition for condition in _aborts(prepared) if condition.text == found.text]
    span_s = found.from_s, found.at_s
    return replace(found, doubt=_doubt(prepared.scenario, trace, ops, span_s, conditions))


def _aborts(prepared: Prepared) -> tuple[Condition, ...]:
    return (*prepared.scenario.aborts, *prepared.plan.aborts)


def _doubt(
    scenario: Scenario,
    trace: Trace,
    ops: pa.Table,
    span_s: tuple[float, float],
    conditions: Sequence[Condition],
) -> str:
    """Why the crowd cannot be trusted between two moments, for these conditions; or nothing."""
    from_s, to_s = span_s
    limits = [condition.limit for condition in conditions if unit_of(condition.metric) == "s"]
    limits += [
        limit_s
        for stage in scenario.stages
        if stage.start_s < to_s
        and stage.end_s > from_s
        and (limit_s := tightest_s(scenario.gates, stage.name)) is not None
    ]
    span_ns = (trace.t0_ns + round(moment_s * 1e9) for moment_s in span_s)
    return doubt_between(ops, min(limits, default=None), *span_ns)


def _never_looked_at(prepared: Prepared, ops: pa.Table) -> Iterator[str]:
    """An abort condition on an operation that never came has guarded nothing."""
    kinds = set(ops.column("kind").unique().to_pylist())
    for condition in _aborts(prepared):
        if condition.operation and condition.operation not in kinds:
            yield f"abort has guarded nothing: no {condition.operation} ended ({condition.text})"


def _never_acknowledged(ops: pa.Table) -> Iterator[str]:
    """Invariants and gates on what nobody was told say nothing: the service may have done nothing at all."""
    history = columns(ops)
    sent = history.where(history.is_sent)
    if len(sent) and not (sent.is_ok | sent.is_refused).any():
        yield f"nothing was acknowledged: of {len(sent)} operations none was ok or refused"


def _bottleneck(
    prepared: Prepared, trace: Trace, validity: tuple[StageValidity, ...]
) -> Bottleneck:
    scenario = prepared.scenario
    found = attribute(
        Series(trace.samples or ()),
        scenario.stages,
        trace.t0_ns,
        load_catalogue(prepared.reports),
        validity,
        _cpu(trace.samples, scenario, trace.t0_ns, busiest_cpu(trace.seconds)),
    )
    if scenario.service is not None and not _gives_counters(found):
        found = replace(found, sentence=f"{found.sentence} {NO_COUNTERS}")
    if why_not := _why_no_bottleneck(trace):
        return replace(found, named=None, sentence=why_not, remedy="")
    return found


def _why_no_bottleneck(trace: Trace) -> str:
    """Why none is named whatever the figures say, in a sentence; or nothing."""
    if not trace.t0_ns:
        return "No bottleneck is named: the load never began."
    if trace.was_interrupted:
        return "No bottleneck is named: the run was interrupted."
    if trace.stopped_s is not None:
        return (
            f"No bottleneck is named: the load was ended {trace.stopped_s:.1f} s after its start."
        )
    if trace.rig_failed_ns:
        return f"No bottleneck can be named: {trace.rig_failure} while it was being looked for."
    return ""


def _gives_counters(found: Bottleneck) -> bool:
    """Whether the service said anything of its resources."""
    return any(use.resource not in {HOST, GENERATOR} for use in found.ranking)


def _timeline(trace: Trace, ops: pa.Table) -> Timeline:
    """From the first arrival until the last answer, which is later than the last stage's end, or earlier in a run that
    was cut short; empty when the load never began."""
    sampled = gauges(Series(trace.samples or ()), trace.seconds, trace.t0_ns)
    return timeline(ops, sampled, trace.service_events, trace.t0_ns, _duration_s(trace))


def _stages(scenario: Scenario) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": s.name, "start_s": s.start_s, "duration_s": s.duration_s} for s in scenario.stages
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


def _invariants(
    prepared: Prepared, trace: Trace, ops: pa.Table
) -> tuple[tuple[Invariant, ...], tuple[NotChecked, ...]]:
    """The answers, and what nobody asked for."""
    is_complete = bool(trace.crowd.get("event") == "done")
    service = prepared.scenario.service
    if service is None:
        return _reference_invariants(trace, ops, is_complete), ()
    declared = (*service.reads, *(["drained"] if service.drained else []))
    return check_asked(
        _looked_at(ops),
        trace.reads or FinalReads(shards=1, missing=declared, columns=frozenset()),
        declared,
        is_history_complete=is_complete,
    )


def _reference_invariants(trace: Trace, ops: pa.Table, is_complete: bool) -> tuple[Invariant, ...]:
    names = tuple(f"shard{number}" for number in range(SHARDS))
    reads = trace.reads or FinalReads(shards=SHARDS, missing=names)
    return check_all(_looked_at(ops), reads, is_history_complete=is_complete)


def _looked_at(ops: pa.Table) -> list[Op]:
    """What checkers look at, and one operation in any case: a history without orders is not an empty one."""
    wanted = ops.filter(pc.is_in(ops.column("kind"), pa.array(LOOKED_AT)))
    return list(ops_from_table(wanted if wanted.num_rows else ops.slice(0, 1)))


def _scenario(prepared: Prepared) -> dict[str, Any]:
    scenario = prepared.scenario
    return {
        "name": scenario.name,
        "description": scenario.description,
        "time_scale": scenario.time_scale,
        "duration_s": scenario.duration_s,
        "gates": [gate.text for gate in scenario.gates],
        "aborts": [condition.text for condition in _aborts(prepared)],
        "backend": dict(scenario.backend),
        "service": "" if scenario.service is None else scenario.service.url,
    }


def _duration_s(trace: Trace) -> float:
    return (trace.load_ended_ns - trace.t0_ns) / 1e9 if trace.t0_ns else 0.0


def _counts(reads: FinalReads | None, service: Service | None) -> Mapping[str, Any]:
    if reads is None:
        return {"missing": ["all"] if service is None else list(service.reads)}
    return {
        "orders": len(reads.orders),
        "lines": len(reads.lines),
        "payments": len(reads.payments),
        "queue_depth": reads.queue_depth,
        "open_sessions": reads.open_sessions if service is None else None,
        "missing": list(reads.missing),
    }
