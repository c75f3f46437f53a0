"""How the run ends: the first that applies, with every violation listed whatever the end is.

interrupted (130) > the stack could not run (4) > an invariant violated or a gate failed on a valid stage (1)
> anything unknown (3) > pass (0)
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
    StageValidity,
    Verdict,
)


def judge(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    validity: Sequence[StageValidity],
    faults: Sequence[FaultRecord],
    problems: Sequence[str] = (),
    interrupted: bool = False,
    stack_error: str = "",
) -> Verdict:
    """The verdict. `problems` are other reasons why the run cannot tell, such as errors of the crowd's own
    code; `stack_error` says what could not run, empty when everything did."""
    wrong = (*_violations(invariants), *_failures(gates))
    doubts = (*_doubts(invariants, gates, validity, faults), *problems)
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
    return Verdict(Conclusion.PASS, (_passed(invariants, gates, faults),), EXIT_PASS)


def _passed(
    invariants: Sequence[Invariant], gates: Sequence[GateResult], faults: Sequence[FaultRecord]
) -> str:
    held = [f"all {len(invariants)} invariants hold"]
    held.append(f"all {len(gates)} gates pass" if gates else "no gate was asked for")
    held.append(
        f"all {len(faults)} faults took effect and were healed"
        if faults
        else "no fault was planned"
    )
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
    if gate.value is None:
        return "nothing"
    if gate.unit == "share":
        return f"{gate.value:.2%}"
    return f"{gate.value:.1f}/s" if gate.unit == "per_s" else f"{gate.value:.3f} s"


def _doubts(
    invariants: Sequence[Invariant],
    gates: Sequence[GateResult],
    validity: Sequence[StageValidity],
    faults: Sequence[FaultRecord],
) -> Iterator[str]:
    for stage in validity:
        if not stage.is_valid:
            yield f"stage {stage.stage} is invalid: {'; '.join(stage.reasons)}"
    if not any(stage.sent for stage in validity):
        yield "no samples: no arrival was sent"
    for fault in faults:
        yield from _fault_doubts(fault)
    yield from _unknowns(invariants, gates)


def _fault_doubts(fault: FaultRecord) -> Iterator[str]:
    name = f"fault {fault.id} ({fault.kind} on {fault.target})"
    cause = f": {fault.error}" if fault.error else ""
    if not fault.effect_observed:
        yield f"{name} was not seen to take effect{cause}"
    if not fault.healed:
        yield f"{name} was not healed{cause}"


def _unknowns(invariants: Sequence[Invariant], gates: Sequence[GateResult]) -> Iterator[str]:
    if not invariants:
        yield "no invariant was checked"
    for invariant in invariants:
        if invariant.status is InvariantStatus.UNKNOWN:
            yield f"{invariant.name} is unknown: {invariant.found}"
    for gate in gates:
        if gate.status not in {"pass", "fail"}:
            yield f"gate unknown: {gate.text} ({gate.reason or 'not measured'})"
