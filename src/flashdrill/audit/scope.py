"""Which invariants somebody's own service asks for, by the reads that it declares.

| its reads                                     | the invariant                                            |
|-----------------------------------------------|----------------------------------------------------------|
| declared, and read with the columns it needs  | is checked                                               |
| declared, and not read                        | is unknown                                               |
| not declared, or without an optional column   | is not checked: it neither holds nor is it violated      |

What compares reads with the history is unknown, too, when the history has no such operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from flashdrill.audit.checkers import CHECKERS, NEED_WHOLE_HISTORY, Checker, doubted
from flashdrill.audit.intents import PLACE_ORDER
from flashdrill.audit.payments import PAY_CALLBACK
from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import Invariant, InvariantStatus, NotChecked

UNITS = ("lines.quantity", "orders.quantity")


@dataclass(frozen=True, slots=True)
class Needs:
    """Columns of reads: all of the first, at least one of `any_of`. `kind` is the operation that must be in the
    history, `fields` what each of those must carry."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    kind: str = ""
    fields: tuple[str, ...] = ()


NEEDS: Mapping[str, Needs] = {
    "no-acknowledged-order-lost": Needs(("orders.order_id",), kind=PLACE_ORDER),
    "no-failed-operation-has-an-order": Needs(("orders.key",), kind=PLACE_ORDER, fields=("key",)),
    "one-order-per-key": Needs(("orders.key",), kind=PLACE_ORDER, fields=("key",)),
    "ids-unique": Needs(("orders.order_id",)),
    "sold-within-stock": Needs(("stock.initial",), (*UNITS, "stock.sold")),
    "confirmed-sold-info": Needs(
        ("orders.order_id",), UNITS, kind=PLACE_ORDER, fields=("sku", "quantity")
    ),
    "queued-orders-terminal": Needs(("orders.state", "orders.key"), kind=PLACE_ORDER),
    "no-negative-counts": Needs(
        (), ("stock.initial", *UNITS, "orders.amount_cents", "money.amount_cents")
    ),
    "stock-ledger-balances": Needs(
        ("stock.available", "movements.delta", "orders.order_id"), UNITS
    ),
    "money-ledger-balances": Needs(
        (
            "orders.amount_cents",
            "lines.unit_price_cents",
            "money.amount_cents",
            "payments.amount_cents",
        )
    ),
    "paid-once": Needs(
        ("payments.transaction_id", "orders.order_id"),
        kind=PAY_CALLBACK,
        fields=("transaction_id", "order_id"),
    ),
    "queue-drained": Needs(("drained",)),
    "queue-in-order": Needs(("orders.queue_seq", "orders.placed_seq")),
}


def check_asked(
    ops: Sequence[Op],
    reads: FinalReads,
    declared: Collection[str],
    *,
    is_history_complete: bool = True,
) -> tuple[tuple[Invariant, ...], tuple[NotChecked, ...]]:
    """The answers of the invariants that are asked for, and what is not. `declared` are the names of reads."""
    answers: list[Invariant] = []
    not_asked: list[NotChecked] = []
    for checker in CHECKERS:
        name = name_of(checker)
        reason = _why_not(NEEDS[name], reads, declared)
        if reason:
            not_asked.append(NotChecked(name, reason))
            continue
        answer = _answer(checker, NEEDS[name], ops, reads)
        if not is_history_complete and name in NEED_WHOLE_HISTORY:
            answer = doubted(answer)
        answers.append(answer)
    return tuple(answers), tuple(not_asked)


def name_of(checker: Checker) -> str:
    """The invariant that a checker judges."""
    return checker.__name__.replace("_", "-")


def _why_not(needs: Needs, reads: FinalReads, declared: Collection[str]) -> str:
    """Why nobody asks for it, or empty."""
    undeclared = [read for read in _reads_of(needs.all_of) if read not in declared]
    if "lines" in undeclared and "orders" in declared:
        undeclared.remove("lines")  # an order may have its line inside
    if undeclared:
        return f"no read of {', '.join(undeclared)} is declared"
    if needs.any_of and not any(read in declared for read in _reads_of(needs.any_of)):
        return f"no read of {' or '.join(_reads_of(needs.any_of))} is declared"
    for column in needs.all_of:
        if not _may_be_there(column, reads):
            return f"no read gives {column}"
    if needs.any_of and not any(_may_be_there(column, reads) for column in needs.any_of):
        return f"no read gives {' or '.join(needs.any_of)}"
    return ""


def _reads_of(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(column.partition(".")[0] for column in columns))


def _may_be_there(column: str, reads: FinalReads) -> bool:
    """Whether it was read, or would be if its read had not failed."""
    read = column.partition(".")[0]
    return column == "drained" or read in reads.missing or reads.gives(column)


def _answer(checker: Checker, needs: Needs, ops: Sequence[Op], reads: FinalReads) -> Invariant:
    concerned = {*_reads_of(needs.all_of), *_reads_of(needs.any_of)}
    missing = tuple(name for name in reads.missing if name in concerned)
    answer = checker(ops, replace(reads, missing=missing))
    doubt = _doubt(needs, ops)
    if not doubt or answer.status is InvariantStatus.VIOLATED:
        return answer
    return replace(answer, status=InvariantStatus.UNKNOWN, found=f"cannot tell: {doubt}")


def _doubt(needs: Needs, ops: Sequence[Op]) -> str:
    """Why the history cannot be compared with the reads, or empty."""
    if not needs.kind or not ops:
        return ""
    wanted = [op for op in ops if op.kind == needs.kind]
    if not wanted:
        return f"the history has no operation {needs.kind}: call the request that does it so"
    for name in needs.fields:
        bare = sum(not getattr(op, name) for op in wanted)
        if bare:
            return f"{bare} of {len(wanted)} operations {needs.kind} carry no `{name}`"
    return ""
