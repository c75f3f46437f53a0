"""Answers that were not what customers had asked for, by kind.

Counted are requests, not only operations: an order that was placed at the third attempt has met two
errors all the same, and a report that shows none of them would lie about what customers went through.
A request belongs to a fault when it was open while that was in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import duckdb
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
           list([answer.sent_ns, answer.done_ns]) AS spans_ns,
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
        rows = connection.execute(_ANSWERS, parameters).fetchall()
    return tuple(_error_kind(row, bands, t0_ns) for row in rows)


def _refusals_of(ops: pa.Table) -> set[str]:
    """The reasons for which this service refuses: an attempt does not say so itself, its operation does."""
    refused = ops.filter(ops.column("is_refusal"))
    return set(pc.unique(refused.column("reason")).to_pylist())


def _error_kind(row: Sequence[Any], bands: Sequence[Band], t0_ns: int) -> ErrorKind:
    kind, came_out, reason, status, answers, decided, spans_ns, examples = row
    ends = [done for _, done in spans_ns]
    first, last = min(ends), max(ends)
    during = sum(any(band.meets(*span) for band in bands) for span in spans_ns)
    met = (b.fault for b in bands if any(b.meets(*span) for span in spans_ns))
    return ErrorKind(
        operation=kind,
        outcome=came_out,
        reason=reason,
        status=status,
        answers=answers,
        decided=decided,
        first_s=(first - t0_ns) / 1e9,
        last_s=(last - t0_ns) / 1e9,
        faults=tuple(dict.fromkeys(met)),
        share_during_faults=during / answers,
        examples=tuple(list(dict.fromkeys(chain(examples)))[:EXAMPLES]),
    )
