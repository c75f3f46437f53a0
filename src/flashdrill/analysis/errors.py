"""Answers that were not what customers had asked for, by kind.

Counted are requests, not only operations: an order that was placed at the third attempt has met two
errors all the same, and a report that shows none of them would lie about what customers went through.
A request belongs to a fault when it was open while that was in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flashdrill.analysis.bands import Band
from flashdrill.model.op import REFUSALS, Outcome
from flashdrill.model.trouble import ErrorKind

EXAMPLES = 3

# An operation that never left has no attempts: it becomes one answer without a status.
_ANSWERS = """
    WITH answers AS (
        SELECT kind, op_id, key, order_id, reason AS ended, is_refusal, outcome AS end_outcome,
               unnest(if(len(attempts) > 0, attempts, [{
                   sent_ns: due_ns, done_ns: due_ns, status: 0::SMALLINT, outcome: outcome, reason: reason
               }])) AS answer
        FROM ops
    ), judged AS (
        SELECT *,
               answer.reason = ended AND answer.outcome = end_outcome AS is_deciding,
               CASE WHEN answer.outcome = $info THEN 'unknown'
                    WHEN list_contains($refusals, answer.reason) THEN 'refused'
                    ELSE 'fail' END AS came_out
        FROM answers
        WHERE answer.outcome <> $ok
    )
    SELECT kind, came_out, answer.reason AS reason, answer.status AS status,
           count(*) AS answers,
           count(DISTINCT op_id) FILTER (is_deciding) AS decided,
           list({sent_ns: answer.sent_ns, done_ns: answer.done_ns}) AS spans,
           list(coalesce(nullif(key, ''), nullif(order_id, ''), op_id::VARCHAR)
                ORDER BY is_deciding DESC, answer.done_ns) AS examples
    FROM judged
    GROUP BY ALL
    ORDER BY answers DESC, kind, came_out, reason, status
"""


def errors_by_kind(ops: pa.Table, bands: Sequence[Band], t0_ns: int) -> tuple[ErrorKind, ...]:
    """The kinds of answers that did not fulfil a request, most answers first; refusals are among them.

    `ops` is the history (`model.history.OPS_SCHEMA`), `t0_ns` the run's start on its clock.
    """
    if ops.num_rows == 0:
        return ()
    with duckdb.connect() as connection:
        connection.register("ops", ops)
        parameters = {
            "ok": Outcome.OK.value,
            "info": Outcome.INFO.value,
            "refusals": sorted(REFUSALS | _refusals_of(ops)),
        }
        found = pa.table(connection.sql(_ANSWERS, params=parameters))
    lists = (found.column(name) for name in ("spans", "examples"))
    kinds = found.drop_columns(["spans", "examples"]).to_pylist()
    return tuple(
        _error_kind(kind, spans.values, examples.values, bands, t0_ns)
        for kind, spans, examples in zip(kinds, *lists, strict=True)
    )


def _refusals_of(ops: pa.Table) -> set[str]:
    """The reasons for which this service refuses: an attempt does not say so itself, its operation does."""
    refused = ops.filter(ops.column("is_refusal"))
    return set(pc.unique(refused.column("reason")).to_pylist())


def _error_kind(
    kind: Mapping[str, Any],
    spans: pa.StructArray,
    examples: pa.StringArray,
    bands: Sequence[Band],
    t0_ns: int,
) -> ErrorKind:
    sent, done = (spans.field(name).to_numpy() for name in ("sent_ns", "done_ns"))
    met = {band.fault: (band.start_ns <= done) & (sent <= band.end_ns) for band in bands}
    during = np.logical_or.reduce(list(met.values()), axis=0) if met else np.zeros(0)
    return ErrorKind(
        operation=kind["kind"],
        outcome=kind["came_out"],
        reason=kind["reason"],
        status=kind["status"],
        answers=kind["answers"],
        decided=kind["decided"],
        first_s=(int(done.min()) - t0_ns) / 1e9,
        last_s=(int(done.max()) - t0_ns) / 1e9,
        faults=tuple(fault for fault, mask in met.items() if mask.any()),
        share_during_faults=int(np.count_nonzero(during)) / kind["answers"],
        examples=tuple(pc.unique(examples)[:EXAMPLES].to_pylist()),
    )
