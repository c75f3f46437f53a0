"""How long a fault took to be noticed, and how long until operations were as before. Exact times, no sampling.

**Detection**: from the fault's start to the first sign of it at or after the start, no later than 5 s after its
end. Signs are an attempt that ended unknown or with a technical failure, an operation that never left, a breaker or
level event of the target that leaves the healthy state, and, for faults that slow down, an answer that is slow.

**Slow** is a response longer than both 3 times the p99 of its kind before the fault and that p99 + 50 ms. "Before"
are the operations due in the 10 s before the start, outside other faults; when they are fewer than 20, all those due
before the run's first fault; with fewer than 20 of these too, nothing counts as slow.

**Recovery**: operations are judged in the order of their due times, from the fault's end on. The moment of recovery
is the earliest moment, either the end itself or the due time of a bad or slow operation after it, that is followed by
a clean stretch: at least 1 s and at least 10 operations long, without a bad operation (unknown, technical failure,
never sent) and with at most 10 % slow ones. `recover_s` is that moment less the end; 0.0 when the stretch begins at
the end. It is None when the operations stop before a clean stretch is complete; then `evidence` tells by
`not_recovered_within_s` for how long things were seen to be bad. Business refusals are neither bad nor a sign.

A fault that overlaps another cannot be told from it: both figures are then upper bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flashdrill.analysis.columns import Columns, Floats, Integers, Mask, columns, equals
from flashdrill.analysis.percentiles import quantile
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Outcome

NOT_RECOVERED = "not_recovered_within_s"
CLEAN_NS = 1_000_000_000
CLEAN_OPS = 10
SLOW_SHARE = 0.10
SLOW_FACTOR = 3.0
SLOW_FLOOR_S = 0.050
BEFORE_NS = 10_000_000_000
ENOUGH = 20
DETECT_GRACE_NS = 5_000_000_000
HEALTHY_STATES = frozenset({"closed", "0", "0.0"})


def measure(
    records: Sequence[FaultRecord],
    ops: pa.Table,
    events: Iterable[Mapping[str, Any]],
    t0_ns: int,
) -> tuple[FaultRecord, ...]:
    """The records with `detect_s` and `recover_s` filled in.

    `events` are the backend's (`t_mono_ns`, `event`, `target`, `state`); `t0_ns` is the run's start on the
    same clock. Records without an effect are left alone: there is nothing to measure.
    """
    run = _Run(columns(ops), _bad_attempts_ns(ops), tuple(events), tuple(records), t0_ns)
    return tuple(_measured(record, run) if record.effect_observed else record for record in records)


@dataclass(frozen=True, slots=True)
class _Run:
    history: Columns
    bad_attempts_ns: Integers  # when each failed or unknown attempt ended, ascending
    events: tuple[Mapping[str, Any], ...]
    records: tuple[FaultRecord, ...]
    t0_ns: int

    def at(self, t_s: float) -> int:
        """A time of the run on the monotonic clock."""
        return self.t0_ns + round(t_s * 1e9)


def _measured(record: FaultRecord, run: _Run) -> FaultRecord:
    slow = _slow(record, run)
    recover_s, bad_for_s = _recover(run.history, slow, run.at(record.end_s))
    evidence = dict(record.evidence)
    if recover_s is None and bad_for_s is not None:
        evidence[NOT_RECOVERED] = round(bad_for_s, 3)
    detect_s = _detect(record, run, slow)
    return replace(record, detect_s=detect_s, recover_s=recover_s, evidence=evidence)


def _detect(record: FaultRecord, run: _Run, slow: Mask) -> float | None:
    start, last = run.at(record.start_s), run.at(record.end_s) + DETECT_GRACE_NS
    signs = [_first(run.bad_attempts_ns, start), _first(_never_sent_ns(run.history), start)]
    signs += [t for t in _event_times(record.target, run.events) if t >= start]
    if record.slows:
        signs.append(_first(np.sort(run.history.done_ns[slow]), start))
    first = min((t for t in signs if t is not None), default=None)
    return None if first is None or first > last else (first - start) / 1e9


def _first(times_ns: Integers, start_ns: int) -> int | None:
    index = int(np.searchsorted(times_ns, start_ns))
    return int(times_ns[index]) if index < len(times_ns) else None


def _event_times(target: str, events: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    for event in events:
        is_state = event.get("event") in {"breaker", "level"} and event.get("target") == target
        if is_state and str(event.get("state")) not in HEALTHY_STATES:
            yield int(event["t_mono_ns"])


def _bad_attempts_ns(ops: pa.Table) -> Integers:
    """When each attempt ended that failed for a technical reason or stayed unknown, ascending.

    The attempt that was refused for a reason of business is no sign of a fault.
    """
    if ops.num_rows == 0:
        return np.empty(0, dtype=np.int64)
    lists = ops.column("attempts").combine_chunks()
    attempts = pc.list_flatten(lists)
    parents = pc.list_parent_indices(lists)
    of_refused = pc.take(ops.column("is_refusal").combine_chunks(), parents)
    decided = pc.equal(
        pc.struct_field(attempts, "reason"), pc.take(ops.column("reason").combine_chunks(), parents)
    )
    is_refused = pc.and_(of_refused, decided)
    outcome = pc.struct_field(attempts, "outcome")
    is_failed = pc.and_(pc.equal(outcome, Outcome.FAIL.value), pc.invert(is_refused))
    is_bad = pc.or_(is_failed, pc.equal(outcome, Outcome.INFO.value))
    done = pc.struct_field(attempts, "done_ns").filter(is_bad)
    return np.sort(np.asarray(done.to_numpy(zero_copy_only=False), dtype=np.int64))


def _never_sent_ns(history: Columns) -> Integers:
    return np.sort(history.due_ns[~history.is_sent])


def _slow(record: FaultRecord, run: _Run) -> Mask:
    """Which operations are slow by the standard of the time before this fault."""
    history = run.history
    slow = np.zeros(len(history), dtype=np.bool_)
    quiet = history.is_sent & ~_during_faults(history.due_ns, run)
    for kind in dict.fromkeys(history.kind.tolist()):
        of_kind = equals(history.kind, kind)
        limit_s = _slow_limit_s(_before(history, of_kind & quiet, record, run))
        if limit_s is not None:
            slow |= of_kind & history.is_sent & (history.response_s > limit_s)
    return slow


def _slow_limit_s(responses_s: Floats) -> float | None:
    p99 = quantile(responses_s, 0.99) if len(responses_s) >= ENOUGH else None
    return None if p99 is None else max(SLOW_FACTOR * p99, p99 + SLOW_FLOOR_S)


def _before(history: Columns, mask: Mask, record: FaultRecord, run: _Run) -> Floats:
    """Response times of the operations that show how it was before the fault, in seconds."""
    start = run.at(record.start_s)
    answered = mask & (history.done_ns < start)
    recent = answered & (history.due_ns >= start - BEFORE_NS)
    if np.count_nonzero(recent) >= ENOUGH:
        return history.where(recent).response_s
    first = min(run.at(other.start_s) for other in run.records)
    return history.where(mask & (history.done_ns < first)).response_s


def _during_faults(due_ns: Integers, run: _Run) -> Mask:
    inside = np.zeros(len(due_ns), dtype=np.bool_)
    for record in run.records:
        inside |= (due_ns >= run.at(record.start_s)) & (due_ns <= run.at(record.end_s))
    return inside


def _recover(history: Columns, slow: Mask, end_ns: int) -> tuple[float | None, float | None]:
    """(time until recovery, or None; time over which things were seen to be bad, or None), in seconds."""
    first = int(np.searchsorted(history.due_ns, end_ns))
    due = history.due_ns[first:]
    bad = history.is_bad[first:]
    dirty = np.flatnonzero(bad | slow[first:])
    moments = np.concatenate(([end_ns], due[dirty]))
    begins = np.concatenate(([0], dirty + 1))
    ends = np.maximum(np.searchsorted(due, moments + CLEAN_NS), begins + CLEAN_OPS)
    last_ns = int(due[-1]) if len(due) else 0
    is_complete = (ends <= len(due)) & (moments + CLEAN_NS <= last_ns)
    begins, ends = np.minimum(begins, len(due)), np.minimum(ends, len(due))
    is_clean = _between(bad, begins, ends) == 0
    is_clean &= _between(slow[first:], begins, ends) <= SLOW_SHARE * (ends - begins)
    recovered = np.flatnonzero(is_complete & is_clean)
    if len(recovered):
        return float(moments[recovered[0]] - end_ns) / 1e9, None
    return None, float(moments[-1] - end_ns) / 1e9 if len(dirty) else None


def _between(mask: Mask, begins: Integers, ends: Integers) -> Integers:
    """How many are set in each half-open range."""
    sums = np.concatenate(([0], np.cumsum(mask)))
    return np.asarray(sums[ends] - sums[begins], dtype=np.int64)
