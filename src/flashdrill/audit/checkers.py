"""All checkers, in the order in which a report shows them.

Jepsen's slips are avoided: a duplicate is a breach, an operation of unknown outcome may or may not be
there, and what cannot be read is unknown, never fine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from flashdrill.audit.durable_queue import queue_drained, queue_in_order
from flashdrill.audit.intents import PLACE_ORDER
from flashdrill.audit.money import money_ledger_balances
from flashdrill.audit.orders import (
    ids_unique,
    no_acknowledged_order_lost,
    no_failed_operation_has_an_order,
    one_order_per_key,
    queued_orders_terminal,
)
from flashdrill.audit.payments import PAY_CALLBACK, paid_once
from flashdrill.audit.stock import (
    confirmed_sold_info,
    no_negative_counts,
    sold_within_stock,
    stock_ledger_balances,
)
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import Invariant, InvariantStatus

Checker = Callable[[Sequence[Op], FinalReads], Invariant]

CHECKERS: tuple[Checker, ...] = (
    no_acknowledged_order_lost,
    no_failed_operation_has_an_order,
    one_order_per_key,
    ids_unique,
    sold_within_stock,
    confirmed_sold_info,
    queued_orders_terminal,
    no_negative_counts,
    stock_ledger_balances,
    money_ledger_balances,
    paid_once,
    queue_drained,
    queue_in_order,
)

NEED_WHOLE_HISTORY = frozenset(
    {"no-failed-operation-has-an-order", "confirmed-sold-info", "paid-once"}
)
"""They take something recorded for wrong because no operation accounts for it."""

LOOKED_AT = (PLACE_ORDER, PAY_CALLBACK)
"""The kinds of operations that any checker looks at; of others it asks whether there are any at all."""


def check_all(
    ops: Sequence[Op], reads: FinalReads, *, is_history_complete: bool = True
) -> tuple[Invariant, ...]:
    """Every invariant's answer.

    When the load process was killed, operations in flight are not in the history
    (`is_history_complete` false): what rests on the absence of an operation is then unknown.
    """
    answers = tuple(checker(ops, reads) for checker in CHECKERS)
    if is_history_complete:
        return answers
    return tuple(doubted(a) if a.name in NEED_WHOLE_HISTORY else a for a in answers)


def doubted(answer: Invariant) -> Invariant:
    """The answer when operations may be missing from the history."""
    if answer.status is InvariantStatus.UNKNOWN:
        return answer
    found = f"cannot tell: the history of operations is incomplete ({answer.found})"
    return replace(answer, status=InvariantStatus.UNKNOWN, found=found)
