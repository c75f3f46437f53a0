"""The scenario's conditions, evaluated: passed, failed, or unknown when the run cannot tell.

| metric                    | over                                  | value                                |
|---------------------------|---------------------------------------|--------------------------------------|
| pNN, pNN.N, max           | operations sent                       | response time (done − due), s        |
| error_rate, refusal_rate  | operations due                        | share                                |
| rate                      | the stage, or the whole run           | operations acknowledged per second   |
| recovery                  | all faults                            | the slowest, s                       |
| drain                     | after the load                        | s                                    |

A gate on a stage is unknown when the stage is invalid, a gate on the whole run when any stage is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from flashdrill.analysis.columns import Columns, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.analysis.recovery import NOT_RECOVERED
from flashdrill.model.condition import COMPARE
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import GateResult, StageValidity
from flashdrill.model.scenario import Gate, Stage


@dataclass(frozen=True, slots=True)
class _Value:
    """What was measured: a number, or the reason why there is none.

    `is_lower_bound`: it was at least that much (a fault that had not been recovered from when the load ended).
    """

    value: float | None
    unknown: str = ""
    is_lower_bound: bool = False


def evaluate(
    gates: Sequence[Gate],
    ops: pa.Table,
    validity: Sequence[StageValidity],
    records: Sequence[FaultRecord],
    drain_s: float | None,
    stages: Sequence[Stage] = (),
) -> tuple[GateResult, ...]:
    """Each gate's answer, in their order. `stages` give `rate` its seconds; without them the due times do."""
    history = columns(ops)
    durations = {stage.name: stage.duration_s for stage in stages}
    return tuple(
        _judged(gate, _measured(gate, history, records, drain_s, durations), _doubt(gate, validity))
        for gate in gates
    )


def _judged(gate: Gate, measured: _Value, doubt: str) -> GateResult:
    result = GateResult(gate.text, "unknown", measured.value, gate.limit, unit_of(gate.metric))
    if doubt or measured.unknown or measured.value is None:
        return replace(result, reason=doubt or measured.unknown)
    is_met = COMPARE[gate.comparator](measured.value, gate.limit)
    if measured.is_lower_bound and is_met == gate.comparator.startswith("<"):
        return replace(result, reason="operations were not yet as before when the load ended")
    return replace(result, status="pass" if is_met else "fail")


def unit_of(metric: str) -> str:
    """The unit of a metric's values and limits: s, share or per_s."""
    if metric in {"error_rate", "refusal_rate"}:
        return "share"
    return "per_s" if metric == "rate" else "s"


def _doubt(gate: Gate, validity: Sequence[StageValidity]) -> str:
    """Why the generator's figures cannot carry this gate, or empty."""
    concerned = [v for v in validity if gate.stage in {"", v.stage}]
    invalid = [v.stage for v in concerned if not v.is_valid]
    if invalid:
        return f"stage {', '.join(invalid)} is invalid"
    return "" if concerned else f"the validity of stage {gate.stage or '(any)'} is not known"


def _measured(
    gate: Gate,
    history: Columns,
    records: Sequence[FaultRecord],
    drain_s: float | None,
    durations: Mapping[str, float],
) -> _Value:
    if gate.metric == "recovery":
        return _recovery(records)
    if gate.metric == "drain":
        return _Value(drain_s, "" if drain_s is not None else "the drain was not measured")
    part = history.of(kind=gate.operation, stage=gate.stage)
    if len(part) == 0:
        return _Value(None, "no samples")
    return _of_operations(gate, part, durations)


def _of_operations(gate: Gate, part: Columns, durations: Mapping[str, float]) -> _Value:
    if gate.is_latency:
        share = 1.0 if gate.metric == "max" else float(gate.metric[1:]) / 100
        return _some(quantile(part.where(part.is_sent).response_s, share))
    if gate.metric == "error_rate":
        return _Value(float(np.count_nonzero(part.is_bad)) / len(part))
    if gate.metric == "refusal_rate":
        return _Value(float(np.count_nonzero(part.is_refused)) / len(part))
    if gate.metric == "rate":
        return _some(_rate(part, durations.get(gate.stage) or sum(durations.values())))
    return _Value(None, f"{gate.metric} is not a metric")


def _some(value: float | None) -> _Value:
    return _Value(value, "" if value is not None else "no samples")


def _rate(part: Columns, duration_s: float) -> float | None:
    span_s = duration_s or float(part.due_ns[-1] - part.due_ns[0]) / 1e9
    return float(np.count_nonzero(part.is_ok)) / span_s if span_s > 0 else None


def _recovery(records: Sequence[FaultRecord]) -> _Value:
    if not records:
        return _Value(None, "there was no fault to recover from")
    times = [r.recover_s for r in records if r.recover_s is not None]
    open_ends = [r for r in records if r.recover_s is None]
    at_least = [float(r.evidence[NOT_RECOVERED]) for r in open_ends if NOT_RECOVERED in r.evidence]
    slowest = max(times + at_least, default=None)
    if not open_ends:
        return _Value(slowest)
    names = ", ".join(r.id for r in open_ends)
    return _Value(slowest, "" if slowest is not None else f"not measured for {names}", True)
