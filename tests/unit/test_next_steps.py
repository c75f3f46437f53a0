"""What to try next: the right steps for each end, and every command one that can be typed."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from typing import Any

import click
import pytest

from flashdrill.cli.main import main
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    RunResult,
    Verdict,
)
from flashdrill.plan.scenario import load_scenario
from flashdrill.report.next_steps import MOST_STEPS, Step, next_steps
from flashdrill.stack.backend import check_settings
from flashdrill.stack.reference import reference_root
from tests.unit.test_report import sample

FOLDER = "reports/runs/20260101T000000.000000Z-smoke"
LOST = Invariant(
    "no-acknowledged-order-lost", InvariantStatus.VIOLATED, "each", "1 missing", ("ab 12", "cd34")
)
GATE = GateResult("p50(place_order) < 1000ms during rush", "fail", 1.4, 1.0, "s")
GOOD = FaultRecord("cut", "timeout", "shard2", 0.5, 1.5, True, True)
VALID = dataclasses.replace(sample().validity[0], is_valid=True, reasons=())


def result(conclusion: Conclusion, **changes: Any) -> RunResult:
    """A run without any finding, but for what is changed."""
    calm: dict[str, Any] = {
        "verdict": Verdict(conclusion, ("because",), 0),
        "invariants": (),
        "gates": (),
        "faults": (GOOD,),
        "validity": (VALID,),
        "environment": {"run_folder": FOLDER},
        "command": "flashdrill run scenarios/smoke.yaml",
    }
    return dataclasses.replace(sample(), **{**calm, **changes})


PASSED = result(Conclusion.PASS)
PASSED_WITHOUT_FAULTS = result(
    Conclusion.PASS, faults=(), command="flashdrill run scenarios/smoke.yaml --no-chaos"
)
LOST_ORDER = result(Conclusion.FAIL, invariants=(LOST,))
SLOW = result(
    Conclusion.FAIL,
    gates=(GATE,),
    command="flashdrill run scenarios/smoke.yaml --chaos chaos/plans/smoke.yaml --set seed=3",
)
SLOW_WITHOUT_FAULTS = result(Conclusion.FAIL, gates=(GATE,), faults=())
LATE = result(Conclusion.INCONCLUSIVE, validity=sample().validity)
UNSEEN = result(
    Conclusion.INCONCLUSIVE,
    faults=(dataclasses.replace(GOOD, effect_observed=False, error="the canary was fast"),),
)
UNREAD = result(Conclusion.INCONCLUSIVE, audit={"final_reads": {"missing": ["shard1"]}})
BROKEN = result(Conclusion.STACK_FAILED)
INTERRUPTED = result(Conclusion.INTERRUPTED, invariants=(LOST,))
ALL = {
    "passed": PASSED,
    "passed without faults": PASSED_WITHOUT_FAULTS,
    "lost order": LOST_ORDER,
    "slow": SLOW,
    "slow without faults": SLOW_WITHOUT_FAULTS,
    "late": LATE,
    "unseen": UNSEEN,
    "unread": UNREAD,
    "broken": BROKEN,
    "interrupted": INTERRUPTED,
    "everything at once": sample(),
    "unknown folder": result(Conclusion.FAIL, invariants=(LOST,), environment={}),
}


def commands(steps: tuple[Step, ...]) -> list[str]:
    return [step.command for step in steps]


def parse(words: list[str]) -> click.Context:
    """The command line as click reads it, nothing run. Raises UsageError."""
    name, *rest = words
    command = main.commands[name]
    return command.make_context(name, rest)


@pytest.mark.parametrize("name", ALL)
def test_every_command_can_be_typed(name: str) -> None:
    steps = next_steps(ALL[name])
    assert 0 < len(steps) <= MOST_STEPS
    assert len(set(commands(steps))) == len(steps), "no command twice"
    for step in steps:
        program, *words = shlex.split(step.command)
        assert step.text
        if program == "flashdrill":
            parse(words)
        else:
            assert shutil.which(program), step.command


def test_a_wrong_command_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        parse(["run", "scenarios/smoke.yaml", "--no-such-option"])
    with pytest.raises(KeyError):
        parse(["no-such-command"])


@pytest.mark.parametrize("name", ALL)
def test_every_value_that_is_set_is_one_that_a_scenario_has(name: str) -> None:
    for command in commands(next_steps(ALL[name])):
        words = shlex.split(command)[1:]
        if words[0] != "run":
            continue
        asked = parse(words).params
        scenario = load_scenario(reference_root() / asked["scenario"], asked["overrides"])
        if scenario.backend:
            check_settings(reference_root(), dict(scenario.backend))


def test_a_violated_invariant_leads_to_its_first_example() -> None:
    first = next_steps(LOST_ORDER)[0]
    assert "no-acknowledged-order-lost" in first.text
    assert first.command == f"flashdrill show {FOLDER} 'ab 12'"


def test_a_failed_gate_leads_to_a_run_without_faults() -> None:
    first = next_steps(SLOW)[0]
    assert "rush" in first.text
    assert "cut" in first.text, "the fault that was in force in that stage"
    assert first.command == "flashdrill run scenarios/smoke.yaml --set seed=3 --no-chaos"


def test_without_faults_nobody_is_told_to_leave_them_out() -> None:
    assert not any("--no-chaos" in command for command in commands(next_steps(SLOW_WITHOUT_FAULTS)))


def test_a_late_generator_leads_to_a_quieter_machine() -> None:
    first = next_steps(LATE)[0]
    assert "it lagged" in first.text
    assert first.command == LATE.command


def test_a_fault_that_was_not_seen_leads_to_its_steps() -> None:
    first = next_steps(UNSEEN)[0]
    assert "the canary was fast" in first.text
    assert first.command == f"flashdrill show {FOLDER} cut"


def test_missing_reads_and_a_broken_stack_lead_to_the_logs() -> None:
    assert commands(next_steps(UNREAD))[0] == f"tail -n 20 {FOLDER}/logs/*.log"
    assert commands(next_steps(BROKEN))[0] == f"tail -n 20 {FOLDER}/logs/*.log"


def test_a_planted_defect_is_taken_out() -> None:
    planted = "flashdrill run scenarios/smoke.yaml --set seed=3 --set backend.defect=oversell"
    found = commands(next_steps(dataclasses.replace(LOST_ORDER, command=planted)))
    assert found[1] == "flashdrill run scenarios/smoke.yaml --set seed=3"


def test_an_interrupted_run_is_repeated_first() -> None:
    assert commands(next_steps(INTERRUPTED))[0] == INTERRUPTED.command


def test_a_pass_leads_to_a_planted_defect_and_to_a_comparison() -> None:
    found = commands(next_steps(PASSED))
    assert "flashdrill run scenarios/smoke.yaml --set backend.defect=oversell" in found
    assert f"flashdrill compare {FOLDER} reports/latest" in found


def test_a_pass_without_faults_leads_to_faults_first() -> None:
    assert commands(next_steps(PASSED_WITHOUT_FAULTS))[0] == "flashdrill run scenarios/smoke.yaml"
