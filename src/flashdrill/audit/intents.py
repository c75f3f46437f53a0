"""What customers wanted: the place_order operations of one idempotency key, from however many processes.

A double click is two processes with one key, so it is one intent and counts once. An intent is
acknowledged when any of its operations is ok, unknown when none is ok and any is info, and refuted
only when every one of them certainly did not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashdrill.model.op import Op, Outcome

PLACE_ORDER = "place_order"
QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class Intent:
    """One wanted order; `ops` has at least one operation."""

    user_id: str
    key: str
    ops: tuple[Op, ...]

    @property
    def acknowledged(self) -> tuple[Op, ...]:
        """The operations that were answered 201 or 202."""
        return tuple(op for op in self.ops if op.outcome is Outcome.OK)

    @property
    def is_unknown(self) -> bool:
        """Whether it may or may not have happened."""
        outcomes = {op.outcome for op in self.ops}
        return Outcome.OK not in outcomes and Outcome.INFO in outcomes

    @property
    def is_refuted(self) -> bool:
        """Whether it certainly did not happen."""
        return all(op.outcome is Outcome.FAIL for op in self.ops)

    @property
    def was_placed(self) -> bool:
        """Whether it was acknowledged as placed (201)."""
        return any(op.reason != QUEUED for op in self.acknowledged)

    @property
    def was_queued(self) -> bool:
        """Whether it was acknowledged as queued (202)."""
        return any(op.reason == QUEUED for op in self.acknowledged)

    @property
    def wanted(self) -> Op:
        """The operation that says what was ordered: an acknowledged one if there is one."""
        return (*self.acknowledged, *self.ops)[0]

    @property
    def order_ids(self) -> frozenset[str]:
        """The ids that the customer was told."""
        return frozenset(op.order_id for op in self.acknowledged if op.order_id)

    @property
    def label(self) -> str:
        """What names it in a report: the id that was told, else its user and key."""
        return next(iter(sorted(self.order_ids)), f"{self.user_id}/{self.key}")


def intents(ops: Sequence[Op]) -> tuple[Intent, ...]:
    """The intents, in the order of their first operation. An order without a key is an intent by itself."""
    groups: dict[tuple[str, str], list[Op]] = {}
    for op in ops:
        if op.kind == PLACE_ORDER:
            groups.setdefault((op.user_id, op.key or f"operation {op.op_id}"), []).append(op)
    return tuple(Intent(user, key, tuple(members)) for (user, key), members in groups.items())
