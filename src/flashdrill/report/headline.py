"""The run in one sentence and a few figures, for somebody who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flashdrill.model.result import Conclusion, InvariantStatus, OperationStats, RunResult
from flashdrill.report.wording import count, rate, seconds, share

GOOD, BAD, UNSURE, PLAIN = "good", "bad", "unsure", "plain"

MARKS = {
    Conclusion.PASS: "✓",
    Conclusion.FAIL: "✗",
    Conclusion.INCONCLUSIVE: "?",
    Conclusion.INTERRUPTED: "■",
    Conclusion.STACK_FAILED: "■",
}
"""Verdicts are told apart by shape too: colours do not survive printers, nor every eye."""

MEANINGS = {
    Conclusion.PASS: "Every invariant holds, every gate passes, every fault took effect and was healed.",
    Conclusion.FAIL: "A gate failed, on figures that can be trusted.",
    Conclusion.INCONCLUSIVE: "This run cannot tell. It is neither a pass nor a fail: mend the reason, and repeat it.",
    Conclusion.INTERRUPTED: "The run was stopped before its end: what is shown is a part.",
    Conclusion.STACK_FAILED: "The stack could not run, or not to the end: what is shown, if anything, is a part.",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its label; `note` says what it is compared with; `tone` is good, bad, unsure or plain."""

    label: str
    value: str
    note: str
    tone: str = PLAIN


def tiles(result: RunResult) -> tuple[Tile, ...]:
    """The figures, in the order in which people ask for them. What was not measured has no tile."""
    return tuple(_tiles(result))


def _tiles(result: RunResult) -> Iterator[Tile]:
    if result.aborted is not None:
        tone = UNSURE if result.aborted.doubt else BAD
        yield Tile("aborted at", seconds(result.aborted.at_s), result.aborted.text, tone)
    if result.invariants:
        yield _invariants(result)
    if (knee := result.capacity.knee) is not None and knee.knee_per_s is not None:
        bounds = f"between {rate(knee.low_per_s)} and {rate(knee.high_per_s)}"
        yield Tile("knee", f"{rate(knee.knee_per_s)}/s", bounds)
    whole = whole_run(result.operations)
    if whole is not None and whole.due:
        yield Tile("operations", count(whole.due), f"due in {seconds(result.duration_s)}")
        good = PLAIN if whole.fail + whole.info else GOOD
        lost = f"{count(whole.fail)} failed, {count(whole.info)} unknown"
        yield Tile("errors", share(whole.error_rate), lost, good)
        note = f"median {seconds(whole.response.p50)}, p95 {seconds(whole.response.p95)}"
        yield Tile("response p99", seconds(whole.response.p99), note)
    if planned(result) > sum(not fault.was_due for fault in result.faults):
        yield from _faults(result)
    if result.validity:
        yield _lateness(result)


def _invariants(result: RunResult) -> Tile:
    statuses = [invariant.status for invariant in result.invariants]
    holding = statuses.count(InvariantStatus.HOLDS)
    violated = statuses.count(InvariantStatus.VIOLATED)
    unknown = statuses.count(InvariantStatus.UNKNOWN)
    value = f"{holding} of {len(statuses)}"
    if violated:
        return Tile("invariants hold", value, f"{violated} violated", BAD)
    if unknown:
        return Tile("invariants hold", value, f"{unknown} unknown", UNSURE)
    unasked = f", {len(result.not_checked)} not checked" if result.not_checked else ""
    return Tile("invariants hold", value, f"on final reads{unasked}", GOOD)


def _faults(result: RunResult) -> Iterator[Tile]:
    due = [fault for fault in result.faults if fault.was_due]
    proven = [fault for fault in due if fault.is_sound]
    everything = planned(result) - (len(result.faults) - len(due))
    tone = GOOD if len(proven) == everything else UNSURE
    value = f"{len(proven)} of {everything}"
    yield Tile("faults proven", value, "took effect and were healed", tone)
    without = [fault.id for fault in proven if fault.recover_s is None]
    if without:
        yield Tile("slowest recovery", "not seen", f"after {', '.join(without)}", UNSURE)
    elif proven:
        slowest = max(proven, key=lambda fault: fault.recover_s or 0.0)
        yield Tile("slowest recovery", seconds(slowest.recover_s), f"after {slowest.id}")


def planned(result: RunResult) -> int:
    """How many faults the run was to make; a run that was cut short has begun fewer."""
    return max(int(result.chaos.get("faults", 0)), len(result.faults))


def _lateness(result: RunResult) -> Tile:
    known = [v for v in result.validity if v.lateness_p99_s is not None]
    invalid = [v.stage for v in result.validity if not v.is_valid]
    worst = max(known, key=lambda v: (v.lateness_p99_s or 0) / v.lateness_limit_s, default=None)
    value = seconds(None if worst is None else worst.lateness_p99_s)
    if invalid:
        return Tile("generator lateness", value, f"invalid: {', '.join(invalid)}", UNSURE)
    if worst is None:
        return Tile("generator lateness", value, "nothing was sent")
    limit = f"limit {seconds(worst.lateness_limit_s)}, in {worst.stage}"
    return Tile("generator lateness", value, limit, GOOD)


def whole_run(operations: Sequence[OperationStats]) -> OperationStats | None:
    """The row over every kind and stage; with one kind only, that kind's."""
    rows = [row for row in operations if not row.stage]
    return rows[-1] if rows else (operations[-1] if len(operations) == 1 else None)


def mark(result: RunResult) -> str:
    """The verdict's shape."""
    return MARKS[result.verdict.conclusion]


def meaning(result: RunResult) -> str:
    """The verdict in a sentence."""
    conclusion = result.verdict.conclusion
    is_violated = any(i.status is InvariantStatus.VIOLATED for i in result.invariants)
    if conclusion is Conclusion.FAIL and is_violated:
        return "The system did what it must never do: an invariant is violated."
    if conclusion is Conclusion.FAIL and result.aborted is not None and not result.aborted.doubt:
        return "It was aborted: a condition came true that it must not go on with. What is shown is a part."
    if conclusion is Conclusion.FAIL and not any(gate.status == "fail" for gate in result.gates):
        return "The system did not come back to its steady state after the faults."
    return MEANINGS[conclusion]
