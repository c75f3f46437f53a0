"""How the run ends: the first that applies, with every violation listed whatever the end is.

interrupted (130) > the stack could not run (4) > aborted, an invariant violated, a gate failed on a valid stage, or
the steady state not back (1) > anything unknown (3) > pass (0)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flashdrill.errors import (
    EXIT_FAIL,
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_PASS,
    EXIT_STACK,
)
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    NotChecked,
    StageValidity,
    Verdict,
)
from flashdrill.model.steady_state import Aborted, SteadyResult


def judge(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    validity: Sequence[StageValidity],
    faults: Sequence[FaultRecord],
    problems: Sequence[str] = (),
    interrupted: bool = False,
    stack_error: str = "",
    steady: Sequence[SteadyResult] = (),
    aborted: Aborted | None = None,
    not_checked: Sequence[NotChecked] = (),
    remarks: Sequence[str] = (),
) -> Verdict:
    """The verdict. `problems` are other reasons why the run cannot tell, such as errors of the crowd's own
    code; `stack_error` says what could not run, empty when everything did; `not_checked` are the invariants that
    nobody asked for; `remarks` decide nothing, and must be read with a pass."""
    wrong = (
        *_abortion(aborted),
        *_violations(invariants),
        *_failures(gates),
        *_not_back(steady),
    )
    doubts = (
        *_doubtful_abortion(aborted),
        *_not_steady(steady),
        *_doubts(invariants, gates, validity, faults, not_checked),
        *problems,
    )
    if interrupted:
        return Verdict(
            Conclusion.INTERRUPTED, ("the run was interrupted", *wrong), EXIT_INTERRUPTED
        )
    if stack_error:
        reasons = (f"the stack could not run: {stack_error}", *wrong)
        return Verdict(Conclusion.STACK_FAILED, reasons, EXIT_STACK)
    if wrong:
        return Verdict(Conclusion.FAIL, (*wrong, *doubts), EXIT_FAIL)
    if doubts:
        return Verdict(Conclusion.INCONCLUSIVE, doubts, EXIT_INCONCLUSIVE)
    passed = _passed(invariants, gates, faults, steady, not_checked)
    return Verdict(Conclusion.PASS, (passed, *remarks), EXIT_PASS)


def _passed(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    faults: Sequence[FaultRecord],
    steady: Sequence[SteadyResult],
    not_checked: Sequence[NotChecked],
) -> str:
    held = [
        f"all {len(invariants)} invariants hold" if invariants else "no invariant was asked for"
    ]
    if not_checked and invariants:
        held[0] += f" ({len(not_checked)} not checked)"
    held.append(f"all {len(gates)} gates pass" if gates else "no gate was asked for")
    due = [fault for fault in faults if fault.was_due]
    if due or not faults:
        held.append(
            f"all {len(due)} faults took effect and were healed" if due else "no fault was planned"
        )
    if len(due) < len(faults):
        held.append(f"of the optional faults {len(faults) - len(due)} not due")
    if steady:
        held.append("the steady state held before the faults" + (" and came back" if due else ""))
    return ", ".join(held)


def _violations(invariants: Sequence[Invariant]) -> Iterator[str]:
    for invariant in invariants:
        if invariant.status is InvariantStatus.VIOLATED:
            yield f"{invariant.name} is violated: {invariant.found}"


def _failures(gates: Sequence[GateResult]) -> Iterator[str]:
    """Gates that failed; `gates.evaluate` fails none on an invalid stage."""
    for gate in gates:
        if gate.status == "fail":
            yield f"gate failed: {gate.text} (measured {_measured(gate)})"


def _measured(gate: GateResult) -> str:
    return _said(gate.value, gate.unit)


def _said(value: float | None, unit: str) -> str:
    if value is None:
        return "nothing"
    if unit == "share":
        return f"{value:.2%}"
    return f"{value:.1f}/s" if unit == "per_s" else f"{value:.3f} s"


def _abortion(aborted: Aborted | None) -> Iterator[str]:
    if aborted is not None and not aborted.doubt:
        yield _ended(aborted)


def _doubtful_abortion(aborted: Aborted | None) -> Iterator[str]:
    if aborted is not None and aborted.doubt:
        yield f"{_ended(aborted)}, but the load generator cannot be trusted there: {aborted.doubt}"


def _ended(aborted: Aborted) -> str:
    seen = _said(aborted.value, aborted.unit)
    return f"aborted: {aborted.text}, seen {seen} at {aborted.at_s:.1f} s"


def _not_back(steady: Sequence[SteadyResult]) -> Iterator[str]:
    for state in steady:
        if state.after == "not back":
            yield (
                f"the steady state did not come back within {state.back_within_s:g} s of the last fault: "
                f"{state.text} (seen {_said(state.after_value, state.unit)})"
            )


def _not_steady(steady: Sequence[SteadyResult]) -> Iterator[str]:
    for state in steady:
        if state.before == "broken":
            yield (
                f"the steady state did not hold before the first fault: {state.text} "
                f"(seen {_said(state.before_value, state.unit)}); nothing was injected"
            )
        elif state.before == "unknown":
            yield f"the steady state before the faults is unknown: {state.text} ({state.reason})"
        elif state.after == "unknown":
            yield f"the steady state after the faults is unknown: {state.text} ({state.reason})"


def _doubts(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    validity: Sequence[StageValidity],
    faults: Sequence[FaultRecord],
    not_checked: Sequence[NotChecked],
) -> Iterator[str]:
    for stage in validity:
        if not stage.is_valid:
            yield f"stage {stage.stage} is invalid: {'; '.join(stage.reasons)}"
    if not any(stage.sent for stage in validity):
        yield "no samples: no arrival was sent"
    for fault in faults:
        if not fault.is_sound:
            yield from _fault_doubts(fault)
    yield from _unknowns(invariants, gates, not_checked)


def _fault_doubts(fault: FaultRecord) -> Iterator[str]:
    name = f"fault {fault.id} ({fault.kind} on {fault.target})"
    cause = f": {fault.error}" if fault.error else ""
    if not fault.effect_observed:
        yield f"{name} was not seen to take effect{cause}"
    if not fault.healed:
        yield f"{name} was not healed{cause}"


def _unknowns(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    not_checked: Sequence[NotChecked],
) -> Iterator[str]:
    if not invariants and not not_checked:
        yield "no invariant was checked"
    if not invariants and not_checked and not gates:
        yield "nothing was asked for: no gate, and no final read"
    for invariant in invariants:
        if invariant.status is InvariantStatus.UNKNOWN:
            yield f"{invariant.name} is unknown: {invariant.found}"
    for gate in gates:
        if gate.status not in {"pass", "fail"}:
            yield f"gate unknown: {gate.text} ({gate.reason or 'not measured'})"
