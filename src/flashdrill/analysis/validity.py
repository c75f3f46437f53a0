"""Whether a stage's figures can be trusted: the generator is measured before the system is.

A stage is invalid when
- the lateness p99 of its arrivals exceeds max(10 ms, 10 % of its tightest latency gate; without one,
  of the median service time: the response time would excuse the lateness that it contains),
- under 99 % of its due arrivals were sent, or fewer (or more) are on record than were scheduled: a
  generator that died or was stopped leaves a gap, not a bad figure,
- an operation waited for a client connection: that closes the loop,
- a load process used over 80 % of its core,
- the rig itself (Toxiproxy) failed before it was over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from flashdrill.analysis.columns import Columns, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.model.calibration import CPU_LIMIT
from flashdrill.model.result import StageValidity
from flashdrill.model.scenario import Gate, Stage

LATENESS_FLOOR_S = 0.010
LATENESS_SHARE = 0.10
SENT_SHARE = 0.99


def validate(
    ops: pa.Table,
    stages: Sequence[Stage],
    gates: Sequence[Gate],
    scheduled: Mapping[str, int],
    generator_cpu: Mapping[str, float | None],
) -> tuple[StageValidity, ...]:
    """The validity of each stage, in their order.

    `scheduled` is the number of arrivals that the schedule has in a stage, `generator_cpu` the share of
    one core that the busiest load process used over it (`cpu_by_stage`).
    """
    history = columns(ops)
    return tuple(
        _validate(
            _Measured(
                stage=stage.name,
                scheduled=scheduled.get(stage.name, 0),
                part=history.of(stage=stage.name),
                gate_s=tightest_s(gates, stage.name),
                cpu=generator_cpu.get(stage.name),
            )
        )
        for stage in stages
    )


def after_rig_failure(
    validity: Sequence[StageValidity], stages: Sequence[Stage], since_s: float, what: str
) -> tuple[StageValidity, ...]:
    """The stages that were not over when the rig itself failed (`since_s` after the run's start) are invalid:
    from then on the figures tell of the rig."""
    ends = {stage.name: stage.end_s for stage in stages}
    reason = f"{what} {since_s:.1f} s after the start: what was measured since is the rig's failure"
    return tuple(
        v
        if ends.get(v.stage, since_s) < since_s
        else replace(v, is_valid=False, reasons=(*v.reasons, reason))
        for v in validity
    )


def after_stop(
    validity: Sequence[StageValidity], stages: Sequence[Stage], since_s: float
) -> tuple[StageValidity, ...]:
    """The stages that were not over when flashdrill itself ended the load (`since_s` after the run's start) are
    parts: nobody can say what the whole of them would have shown."""
    ends = {stage.name: stage.end_s for stage in stages}
    reason = f"the load was ended {since_s:.1f} s after the start"
    return tuple(
        v
        if ends.get(v.stage, since_s) <= since_s
        else replace(v, is_valid=False, reasons=(reason,))
        for v in validity
    )


def doubt_between(ops: pa.Table, yardstick_s: float | None, from_ns: int, to_ns: int) -> str:
    """Why the generator cannot be trusted in a part of the run (CLOCK_MONOTONIC ns); empty: it can.

    `yardstick_s` is the tightest limit of a response time there, if there is any.
    """
    history = columns(ops)
    part = history.where((history.due_ns >= from_ns) & (history.due_ns < to_ns))
    due = int(np.count_nonzero(part.is_arrival))
    measured = _Measured("", due, part, yardstick_s, None)
    return "; ".join(_reasons(measured))


def tightest_s(gates: Iterable[Gate], stage: str) -> float | None:
    """The smallest upper limit of a latency gate on the stage or the whole run, in seconds."""
    limits = [
        gate.limit
        for gate in gates
        if gate.is_latency and gate.comparator.startswith("<") and gate.stage in {"", stage}
    ]
    return min(limits, default=None)


def cpu_by_stage(seconds: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """The mean CPU share of a load process over each stage, from its `second` lines of live.jsonl.

    With several load processes see `busiest_cpu`.
    """
    shares: dict[str, list[float]] = {}
    for line in seconds:
        cpu = line.get("cpu")
        if isinstance(cpu, int | float):
            shares.setdefault(str(line.get("stage", "")), []).append(float(cpu))
    return {stage: sum(values) / len(values) for stage, values in shares.items()}


def cpu_by_process(seconds: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """The same for each of several load processes, from the lines that tell of them together; empty for one."""
    lines: dict[int, list[dict[str, object]]] = {}
    for line in seconds:
        for process in line.get("processes", ()):
            told = {"stage": line["stage"], "cpu": process["cpu"]}
            lines.setdefault(process["worker"], []).append(told)
    return {worker: cpu_by_stage(own) for worker, own in lines.items()}


def busiest_cpu(seconds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean CPU share over each stage of the load process that has the largest there."""
    busiest: dict[str, float] = {}
    for shares in cpu_by_process(seconds).values() or [cpu_by_stage(seconds)]:
        for stage, share in shares.items():
            busiest[stage] = max(share, busiest.get(stage, 0.0))
    return busiest


def with_processes(
    whole: Sequence[StageValidity], parts: Sequence[Sequence[StageValidity]]
) -> tuple[StageValidity, ...]:
    """A stage cannot be trusted when one of several load processes cannot, however well the others did."""
    reasons: dict[str, list[str]] = {stage.stage: list(stage.reasons) for stage in whole}
    for worker, part in enumerate(parts):
        for stage in part:
            told = (f"load process {worker + 1} of {len(parts)}: {why}" for why in stage.reasons)
            reasons[stage.stage] += told
    return tuple(
        replace(v, is_valid=not reasons[v.stage], reasons=tuple(reasons[v.stage])) for v in whole
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is known of a stage's generator."""

    stage: str
    scheduled: int
    part: Columns
    gate_s: float | None
    cpu: float | None

    @property
    def arrivals(self) -> Columns:
        return self.part.where(self.part.is_arrival)

    @property
    def sent(self) -> Columns:
        return self.arrivals.where(self.arrivals.is_sent)

    @property
    def connection_waits(self) -> int:
        return int(np.count_nonzero(self.part.connection_wait_ns > 0))

    @property
    def lateness_p99_s(self) -> float | None:
        return quantile(self.sent.lateness_s, 0.99)

    @property
    def limit_s(self) -> float:
        """How late the arrivals may be, in seconds."""
        sent = self.part.where(self.part.is_sent)
        yardstick_s = self.gate_s if self.gate_s is not None else quantile(sent.service_s, 0.5)
        return max(LATENESS_FLOOR_S, LATENESS_SHARE * (yardstick_s or 0.0))


def _validate(measured: _Measured) -> StageValidity:
    reasons = tuple(_reasons(measured))
    return StageValidity(
        stage=measured.stage,
        is_valid=not reasons,
        reasons=reasons,
        due=measured.scheduled,
        sent=len(measured.sent),
        lateness_p99_s=measured.lateness_p99_s,
        lateness_limit_s=measured.limit_s,
        connection_waits=measured.connection_waits,
        generator_cpu=measured.cpu,
    )


def _reasons(measured: _Measured) -> Iterator[str]:
    lateness_s, limit_s = measured.lateness_p99_s, measured.limit_s
    recorded, sent = len(measured.arrivals), len(measured.sent)
    if recorded != measured.scheduled:
        yield f"{measured.scheduled} arrivals were scheduled, {recorded} are on record"
    if sent < SENT_SHARE * measured.scheduled:
        yield f"only {sent} of {measured.scheduled} due arrivals were sent (under {SENT_SHARE:.0%})"
    if lateness_s is not None and lateness_s > limit_s:
        yield (
            f"the generator was late: lateness p99 {lateness_s * 1e3:.1f} ms, limit {limit_s * 1e3:.1f} ms"
        )
    if measured.connection_waits:
        yield f"{measured.connection_waits} operations waited for a client connection"
    if measured.cpu is not None and measured.cpu > CPU_LIMIT:
        yield f"the load process used {measured.cpu:.0%} of its core (limit {CPU_LIMIT:.0%})"
