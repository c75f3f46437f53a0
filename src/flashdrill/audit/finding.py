"""How a checker answers: holds, violated, or unknown when what it needs is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flashdrill.model.op import Op
from flashdrill.model.reads import FinalReads
from flashdrill.model.result import Invariant, InvariantStatus

MAX_EXAMPLES = 10
NO_OPERATIONS = "no operation was recorded"


@dataclass(frozen=True, slots=True)
class Wrong:
    """One breach: the id that shows it, and what is wrong with it (a phrase with its numbers)."""

    id: str
    what: str
    may_still_wait: bool = False  # it could be among the records left in the durable queue


def conclude(
    name: str,
    expected: str,
    found: str,
    wrongs: Iterable[Wrong],
    *,
    unknown: str = "",
    more_reads_cannot_heal: bool = False,
) -> Invariant:
    """The invariant's answer.

    `found` says what was counted; `unknown`, when not empty, why the answer cannot be given. A breach
    that no further row could undo (a duplicate, say) is a violation even when reads are missing.
    Without operations nothing is claimed at all.
    """
    breaches = list(wrongs)
    is_certain = bool(breaches) and more_reads_cannot_heal and unknown != NO_OPERATIONS
    if unknown and not is_certain:
        return Invariant(name, InvariantStatus.UNKNOWN, expected, f"cannot tell: {unknown}")
    if not breaches:
        return Invariant(name, InvariantStatus.HOLDS, expected, found)
    text = f"{len(breaches)} in breach ({found}); first: {breaches[0].id}: {breaches[0].what}"
    examples = tuple(dict.fromkeys(wrong.id for wrong in breaches))[:MAX_EXAMPLES]
    return Invariant(name, InvariantStatus.VIOLATED, expected, text, examples)


def lacking(ops: Sequence[Op], reads: FinalReads) -> str:
    """Why final reads cannot decide, or empty: no operations, a shard not read, sessions still open."""
    if not ops:
        return NO_OPERATIONS
    if reads.missing:
        return f"no final read of {', '.join(reads.missing)}"
    if reads.open_sessions:
        return f"{reads.open_sessions} other client sessions were still open and could have committed later"
    return ""
