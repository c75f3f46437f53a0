"""What to try next, as commands: the most useful first, from what the run found."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Conclusion,
    GateResult,
    InvariantStatus,
    RunResult,
)
from flashdrill.model.steady_state import Aborted

MOST_STEPS = 4
MOST_OF_A_KIND = 2
NEWEST = "reports/latest"
DEFECT = "backend.defect"


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence that says why, and the command to type."""

    text: str
    command: str


def next_steps(result: RunResult) -> tuple[Step, ...]:
    """At most four steps, most useful first."""
    steps = {
        Conclusion.INTERRUPTED: _after_interruption,
        Conclusion.STACK_FAILED: _after_stack_failure,
        Conclusion.FAIL: _after_failure,
        Conclusion.INCONCLUSIVE: _after_doubt,
        Conclusion.PASS: _after_pass,
    }[result.verdict.conclusion]
    return tuple(islice(steps(result), MOST_STEPS))


def _after_interruption(result: RunResult) -> Iterator[Step]:
    yield Step("It was interrupted: repeat it to the end.", result.command)
    yield from _violations(result)


def _after_stack_failure(result: RunResult) -> Iterator[Step]:
    yield Step(
        "The log of what did not start, or died, says why.",
        f"tail -n 20 {_quoted(result, 'logs')}/*.log",
    )
    if service := _own_service(result):
        yield Step("Is the service there?", f"curl -i {shlex.quote(service)}")
    else:
        yield Step("Bring the stack up by itself; `flashdrill down` ends it.", "flashdrill up")
    yield Step("Repeat the run when that works.", result.command)


def _after_failure(result: RunResult) -> Iterator[Step]:
    yield from _violations(result)
    failed = [gate for gate in result.gates if gate.status == "fail"]
    if result.aborted is not None and not result.aborted.doubt:
        yield from _aborted(result.aborted, result)
    if failed and result.faults:
        yield Step(
            f"{_where(failed[0], result)} Run without faults: is it the load, or the fault?",
            _without_faults(result),
        )
    elif failed:
        yield Step(
            f"{_where(failed[0], result)} No fault was made, so it is the load: the service's own log may say more.",
            _service_log(result),
        )
    yield from _unproven(result)
    if (sound := _without_defect(result)) != result.command:
        yield Step("Its defect was planted. Without it:", sound)
    elif any(invariant.status is InvariantStatus.VIOLATED for invariant in result.invariants):
        yield Step(
            "Does it need this very order of arrivals? Try another seed.", _other_seed(result)
        )
    yield Step("After a change: repeat it.", result.command)
    yield from _compare(result)


def _after_doubt(result: RunResult) -> Iterator[Step]:
    yield from _unproven(result)
    broken = next((state for state in result.steady_state if state.before == "broken"), None)
    if broken is not None:
        yield Step(
            f"`{broken.text}` does not hold without any fault: see how it goes through a whole run, or change it.",
            _without_faults(result),
        )
    was_ended = broken is not None or result.aborted is not None
    invalid = (stage for stage in result.validity if not stage.is_valid and not was_ended)
    late = next(invalid, None)
    if late is not None:
        yield Step(
            f"In {late.stage} the figures cannot be trusted ({'; '.join(late.reasons)}). "
            "End what else runs on this machine, or lower that stage's rates in the scenario; then repeat.",
            result.command,
        )
    if result.audit.get("final_reads", {}).get("missing"):
        yield Step(
            "Final reads are missing: the servers' logs say why.",
            f"tail -n 20 {_quoted(result, 'logs')}/*.log",
        )
    if result.faults and late is not None:
        yield Step(
            "Without faults: can this machine send the load at all?",
            _without_faults(result),
        )
    if late is None:
        yield Step("Repeat it.", result.command)


def _after_pass(result: RunResult) -> Iterator[Step]:
    if "--no-chaos" in result.command:
        yield Step("It held without faults: now with them.", _with_faults(result))
    is_planted = DEFECT in result.command or result.scenario.get("backend", {}).get("defect")
    if not is_planted and not _own_service(result):
        yield Step(
            "See it fail: plant a known defect, units are sold that are not there.",
            _again(result, "--set", "backend.defect=oversell"),
        )
    yield Step("Is it luck? Let other customers come at other moments.", _other_seed(result))
    if not _own_service(result):
        yield Step(
            "Make something scarce, and see what is named as the bottleneck: one connection per shard.",
            _again(result, "--set", "backend.pool_size=1"),
        )
    yield from _compare(result)


def _own_service(result: RunResult) -> str:
    """The address of somebody's own service; empty: it was the reference stack."""
    return str(result.scenario.get("service", ""))


def _service_log(result: RunResult) -> str:
    """How to look at what the service said; of somebody's own we have what the crowd saw."""
    if _own_service(result):
        return f"flashdrill report {_quoted(result)} --open"
    return f"tail -n 40 {_quoted(result, 'logs', 'backend.log')}"


def _violations(result: RunResult) -> Iterator[Step]:
    """Each violated invariant's first example: every operation that it was part of."""
    violated = [i for i in result.invariants if i.status is InvariantStatus.VIOLATED and i.examples]
    for invariant in violated[:MOST_OF_A_KIND]:
        yield Step(
            f"{invariant.name} is violated: see every operation on {invariant.examples[0]}.",
            f"flashdrill show {_quoted(result)} {shlex.quote(invariant.examples[0])}",
        )


def _unproven(result: RunResult) -> Iterator[Step]:
    doubtful = [fault for fault in result.faults if not fault.is_sound]
    for fault in doubtful[:MOST_OF_A_KIND]:
        yield Step(
            f"Fault {fault.id} {_lack(fault)}: see each of its steps.",
            f"flashdrill show {_quoted(result)} {shlex.quote(fault.id)}",
        )


def _lack(fault: FaultRecord) -> str:
    what = "was not seen to take effect" if not fault.effect_observed else "was not healed"
    return f"{what} ({fault.error})" if fault.error else what


def _aborted(aborted: Aborted, result: RunResult) -> Iterator[Step]:
    said = f"`{aborted.text}` ended the run at {aborted.at_s:.1f} s."
    if result.faults:
        question = "Run without faults: is it the load, or the fault?"
        yield Step(f"{said} {question}", _without_faults(result))
    else:
        log = _service_log(result)
        yield Step(f"{said} No fault was made: the service's own log may say more.", log)


def _where(gate: GateResult, result: RunResult) -> str:
    """The gate, its stage, and the faults that were in force then."""
    name = gate.text.rpartition(" during ")[2].strip() if " during " in gate.text else ""
    stage = next((stage for stage in result.stages if stage.get("name") == name), None)
    said = f"The gate `{gate.text}` failed."
    if stage is None:
        return said
    start_s, end_s = stage["start_s"], stage["start_s"] + stage["duration_s"]
    near = [
        fault.id
        for fault in result.faults
        if fault.was_made and fault.start_s < end_s and fault.end_s > start_s
    ]
    return f"{said} In {name} these faults were in force: {', '.join(near)}." if near else said


def _again(result: RunResult, *more: str) -> str:
    """The run's command, and these words."""
    return shlex.join([*shlex.split(result.command), *more])


def _without_faults(result: RunResult) -> str:
    """The run's command with `--no-chaos`, which excludes plans."""
    kept: list[str] = []
    words = iter(shlex.split(result.command))
    for word in words:
        if word == "--chaos":
            next(words, None)
        elif word != "--no-chaos":
            kept.append(word)
    return shlex.join([*kept, "--no-chaos"])


def _with_faults(result: RunResult) -> str:
    """The run's command with the faults that its scenario names."""
    return shlex.join(word for word in shlex.split(result.command) if word != "--no-chaos")


def _without_defect(result: RunResult) -> str:
    """The run's command without the defect that was planted."""
    words = shlex.split(result.command)
    pairs = zip(words, [*words[1:], ""], strict=True)
    planted = {n for n, pair in enumerate(pairs) if pair[0] == "--set" and DEFECT in pair[1]}
    return shlex.join(word for n, word in enumerate(words) if not {n, n - 1} & planted)


def _other_seed(result: RunResult) -> str:
    return _again(result, "--seed", str(result.seed + 1))


def _compare(result: RunResult) -> Iterator[Step]:
    """This run against the newest, which by then is another one."""
    folder = _folder(result)
    if folder != NEWEST:
        newest = shlex.quote(str(PurePath(folder).parent.parent / "latest"))
        command = f"flashdrill compare {_quoted(result)} {newest}"
        yield Step("After a change: run again, and compare.", command)


def _folder(result: RunResult) -> str:
    return str(result.environment.get("run_folder", NEWEST)).rstrip("/")


def _quoted(result: RunResult, *parts: str) -> str:
    """A path in the run's folder, for a shell."""
    return shlex.quote("/".join((_folder(result), *parts)))
