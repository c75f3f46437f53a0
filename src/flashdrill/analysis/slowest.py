"""The slowest operations, taken apart: where the time between due and done went."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from flashdrill.analysis.bands import Band
from flashdrill.analysis.columns import values
from flashdrill.model.history import ops_from_table
from flashdrill.model.op import NOT_SENT, Op
from flashdrill.model.trouble import AttemptTimes, SlowOperation

_TIMING = re.compile(r"\s*(?P<name>[qh]\.[^;,\s]+)\s*;\s*dur=(?P<ms>[0-9]+(?:\.[0-9]+)?)")


def slowest(
    ops: pa.Table, bands: Sequence[Band], t0_ns: int, *, count: int = 12, of_one_kind: int = 4
) -> tuple[SlowOperation, ...]:
    """The operations with the longest response times (done - due) of those that were sent, longest first.

    One kind has `of_one_kind` places at most: a crowd of slow callbacks must not hide the slowest order.
    """
    due, done, sent = (ops.column(name).to_numpy() for name in ("due_ns", "done_ns", "sent_ns"))
    order = np.argsort(due - done, kind="stable")
    order = order[sent[order] != NOT_SENT]
    kinds = values(ops.column("kind"))[order]
    of_kinds = [order[kinds == kind][:of_one_kind] for kind in dict.fromkeys(kinds.tolist())]
    slow = np.sort(np.concatenate([order[:0], *of_kinds]))
    rows = slow[np.argsort((due - done)[slow], kind="stable")][:count]
    return tuple(_taken_apart(op, bands, t0_ns) for op in ops_from_table(ops.take(rows)))


def _taken_apart(op: Op, bands: Sequence[Band], t0_ns: int) -> SlowOperation:
    timing = dict(timings(op.breakdown or ""))
    return SlowOperation(
        op_id=op.op_id,
        operation=op.kind,
        stage=op.stage,
        due_s=(op.due_ns - t0_ns) / 1e9,
        response_s=(op.done_ns - op.due_ns) / 1e9,
        lateness_s=(op.sent_ns - op.due_ns) / 1e9,
        outcome=op.outcome.value,
        reason=op.reason,
        attempts=tuple(
            AttemptTimes(
                from_s=(attempt.sent_ns - op.due_ns) / 1e9,
                took_s=(attempt.done_ns - attempt.sent_ns) / 1e9,
                status=attempt.status,
                reason=attempt.reason,
            )
            for attempt in op.attempts
        ),
        waited={name[2:]: took_s for name, took_s in timing.items() if name.startswith("q.")},
        held={name[2:]: took_s for name, took_s in timing.items() if name.startswith("h.")},
        faults=tuple(band.fault for band in bands if band.meets(op.due_ns, op.done_ns)),
        key=op.key or op.order_id,
    )


def timings(header: str) -> Iterator[tuple[str, float]]:
    """The entries of a Server-Timing header (W3C) that say `q.<resource>` waited or `h.<resource>` held, in seconds."""
    for entry in header.split(","):
        match = _TIMING.fullmatch(entry.rstrip())
        if match:
            yield match["name"], float(match["ms"]) / 1000
