"""What a closed loop would have reported of the same run: users who wait for their answer before they come again.

Measured is every operation, with the time from when it was sent until its answer: what Locust would call its response
time. The rest is a model. It has as many users as the stage's rate needs, by Little's law with the margin of
square-root staffing (Halfin and Whitt, 1981): n = ⌈a + 3·√a⌉ with a = rate · median service time, and two at least.
By Erlang's loss formula under 4 % of Poisson arrivals find so many users busy when all take that time. In the order of
the due times a user who is free takes the operation and is busy until its answer; one that finds all users busy was
never sent and is not counted.

The median is the stage's own: a stage that is slow from end to end gets as many users as that asks for, and hides
little. More users than the rate needs, who think for long, hide less too. The model says nothing of what the service
would have done with the smaller load.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from flashdrill.analysis.columns import Columns, Mask, columns
from flashdrill.analysis.percentiles import percentiles, quantile
from flashdrill.model.result import ClosedLoop, StageValidity

LEAST_OPERATIONS = 100
LEAST_USERS = 2
CHUNK = 100_000
MATERIAL_RATIO = 2.0
MATERIAL_S = 0.010
"""Percentiles differ when one is over twice the other and over 10 ms more."""


def closed_loops(
    ops: pa.Table, validity: Sequence[StageValidity], duration_s: dict[str, float]
) -> tuple[ClosedLoop, ...]:
    """The operations, by stage and kind, of which a closed loop would have told something else; the worst first.

    Only stages whose figures can be trusted: in the others the generator's own lateness would count as the service's.
    `duration_s` is how long each stage lasted.
    """
    history = columns(ops)
    found = [
        loop
        for stage in validity
        if stage.is_valid and duration_s.get(stage.stage)
        for loop in _of_stage(history.of(stage=stage.stage), stage.stage, duration_s[stage.stage])
    ]
    return tuple(sorted((loop for loop in found if is_material(loop)), key=_ratio, reverse=True))


def _of_stage(history: Columns, stage: str, duration_s: float) -> Iterator[ClosedLoop]:
    for kind in dict.fromkeys(history.kind.tolist()):
        part = history.of(kind=kind)
        part = part.where(part.is_sent)
        if len(part) >= LEAST_OPERATIONS and _may_differ(part):
            users = users_needed(part, duration_s)
            counted = part.where(taken_by(part, users))
            yield ClosedLoop(
                stage=stage,
                operation=kind,
                users=users,
                response=percentiles(part.response_s),
                closed=percentiles(counted.service_s),
            )


def _may_differ(part: Columns) -> bool:
    """Whether any operation was so slow that leaving it out could matter."""
    return bool(part.response_s.max() - part.service_s.min() > MATERIAL_S)


def users_needed(part: Columns, duration_s: float) -> int:
    """How many waiting users keep the rate of these operations at their median service time."""
    busy = len(part) / duration_s * (quantile(part.service_s, 0.5) or 0.0)
    return max(LEAST_USERS, math.ceil(busy + 3 * math.sqrt(busy)))


def taken_by(part: Columns, users: int) -> Mask:
    """Which of the operations so many users would have sent; all of these were sent here."""
    free_ns = [0] * users
    taken = np.zeros(len(part), dtype=np.bool_)
    for place, (due_ns, busy_ns) in enumerate(_times_ns(part)):
        if free_ns[0] <= due_ns:
            heapq.heapreplace(free_ns, due_ns + busy_ns)
            taken[place] = True
    return taken


def _times_ns(part: Columns) -> Iterator[tuple[int, int]]:
    """When each operation was due and how long it took from when it was sent; a bounded number of them at once."""
    for start in range(0, len(part), CHUNK):
        rows = slice(start, start + CHUNK)
        due_ns, done_ns, sent_ns = part.due_ns[rows], part.done_ns[rows], part.sent_ns[rows]
        yield from zip(due_ns.tolist(), (done_ns - sent_ns).tolist(), strict=True)


def is_material(loop: ClosedLoop) -> bool:
    """Whether p95 or p99 differ so much that a reader must know."""
    return any(
        open_s > MATERIAL_RATIO * closed_s and open_s - closed_s > MATERIAL_S
        for open_s, closed_s in loop.pairs().values()
    )


def _ratio(loop: ClosedLoop) -> float:
    return max((a / b for a, b in loop.pairs().values() if b > 0), default=0.0)
