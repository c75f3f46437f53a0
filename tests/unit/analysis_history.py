"""Short histories for the tests of the analysis: operations at chosen times with chosen ends."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from flashdrill.model.history import table_from_ops
from flashdrill.model.op import NOT_SENT, Attempt, Op, Outcome
from flashdrill.model.result import StageValidity

T0 = 5_000_000_000_000
"""A run's start on the monotonic clock, nanoseconds."""


def operation(
    t_s: float,
    *,
    took_s: float = 0.010,
    late_s: float = 0.0,
    outcome: Outcome = Outcome.OK,
    reason: str = "placed",
    kind: str = "place_order",
    stage: str = "rush",
    is_arrival: bool = True,
    is_refusal: bool = False,
    is_sent: bool = True,
    connection_wait_ns: int = 0,
    attempts: tuple[Attempt, ...] | None = None,
) -> Op:
    """An operation due at `t_s` seconds of the run, answered `took_s` after it was sent."""
    due = T0 + round(t_s * 1e9)
    sent = due + round(late_s * 1e9) if is_sent else NOT_SENT
    done = due + round((late_s + took_s) * 1e9)
    if attempts is None:
        attempts = (Attempt(sent, done, 0, outcome, reason),) if is_sent else ()
    return Op(
        op_id=0,
        kind=kind,
        stage=stage,
        journey="buy",
        is_arrival=is_arrival,
        process=0,
        due_ns=due,
        sent_ns=sent,
        done_ns=done,
        outcome=outcome,
        reason=reason,
        is_refusal=is_refusal,
        status=0,
        attempts=attempts,
        connection_wait_ns=connection_wait_ns,
    )


def steady(from_s: float, to_s: float, *, per_s: int = 100, **same: object) -> list[Op]:
    """Operations at an even rate."""
    count = round((to_s - from_s) * per_s)
    return [operation(from_s + n / per_s, **same) for n in range(count)]  # type: ignore[arg-type]


def table(*parts: Iterable[Op]) -> pa.Table:
    """The history as a table."""
    return table_from_ops(op for part in parts for op in part)


def valid(stage: str = "rush", *, is_valid: bool = True, due: int = 100) -> StageValidity:
    """A stage's validity."""
    reasons = () if is_valid else ("the generator was late",)
    return StageValidity(stage, is_valid, reasons, due, due, 0.001, 0.01, 0, 0.3)
