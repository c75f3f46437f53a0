"""Undoing injections from the journal: what the guardian does when the harness was killed, and `flashdrill heal`.

    python -m flashdrill.stack.healing JOURNAL

Faults that have nothing in common are healed side by side; those that changed the same thing newest first.
Standard library only (but for `sql`): the guardian uses it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from flashdrill.model.journal import Journal, guardian_of, unhealed
from flashdrill.model.processes import is_same
from flashdrill.stack.processes import complain
from flashdrill.stack.undo.catalogue import carry_out, places
from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

HEAL_LIMIT_S = 3.0
"""For all faults of a journal."""
GRACE_S = 0.5
"""How much longer the slowest is waited for: each of its own waits is bounded by the limit."""

Fault = tuple[str, list[dict[str, Any]]]


def heal(
    path: Path, *, is_stack_gone: bool | None = None, limit_s: float = HEAL_LIMIT_S
) -> dict[str, str]:
    """Undo what the journal says is still in force, and note what is healed.

    By fault: nothing, or why something of it is left. When it is not said whether the stack is gone, the journal's
    own guardian is looked for.
    """
    if is_stack_gone is None:
        is_stack_gone = has_lost_its_stack(path)
    now = Circumstances(time.monotonic() + limit_s, is_stack_gone)
    results = _side_by_side(_lanes(faults_in(path)), now)
    healed = [fault for fault, why in results.items() if not why]
    if healed:
        results.update(dict.fromkeys(healed, _noted(path, healed)))
    return results


def _noted(path: Path, healed: Iterable[str]) -> str:
    """Nothing, or why the journal cannot be told: then it says that they are in force."""
    try:
        with closing(Journal(path)) as journal:
            for fault in healed:
                journal.healed(fault)
    except OSError as error:
        return f"it is undone, but {path} cannot be told: {error.strerror}"
    return ""


def faults_in(path: Path) -> list[Fault]:
    """The faults in force, newest first, each with all that is to undo."""
    faults: dict[str, list[dict[str, Any]]] = {}
    for fault, undo in unhealed(path):
        faults.setdefault(fault, []).append(undo)
    return list(faults.items())


def has_lost_its_stack(path: Path) -> bool:
    """Whether the guardian of the journal's stack is known to be dead: every server of it died with it."""
    guardian = guardian_of(path)
    return bool(guardian) and not is_same(guardian)


def why_left(undos: Iterable[dict[str, Any]], now: Circumstances) -> str:
    """Undo all of one fault; nothing, or what is left of it."""
    left = []
    for undo in undos:
        try:
            carry_out(undo, now)
        except NotUndoneError as error:
            left.append(str(error))
        except Exception as error:  # whatever it is, the others are healed
            left.append(f"{type(error).__name__} while undoing {undo.get('type')!r}")
    return "; ".join(left)


def _lanes(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Groups that have nothing in common."""
    lanes: list[tuple[set[str], list[Fault]]] = []
    for fault in faults:
        where = {place for undo in fault[1] for place in places(undo)}
        shared = [lane for lane in lanes if lane[0] & where]
        lanes = [lane for lane in lanes if not lane[0] & where]
        members = [member for lane in shared for member in lane[1]]
        lanes.append((where.union(*(lane[0] for lane in shared)), [*members, fault]))
    return [lane for _, lane in lanes]


def _side_by_side(lanes: list[list[Fault]], now: Circumstances) -> dict[str, str]:
    results = {fault: "it did not come to an end" for lane in lanes for fault, _ in lane}

    def run(lane: list[Fault]) -> None:
        for fault, undos in lane:
            results[fault] = why_left(undos, now)

    threads = [threading.Thread(target=run, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, now.deadline + GRACE_S - time.monotonic()))
    return dict(results)


def main() -> None:
    """Heal from a journal, and say on standard error what is left."""
    for fault, why in heal(Path(sys.argv[1])).items():
        if why:
            complain("heal", NotUndoneError(f"{fault}: {why}"))


if __name__ == "__main__":
    main()
