"""`flashdrill inject` without a stack: what it ends with, what it refuses, and how evidence is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.errors import EXIT_STACK, EXIT_USAGE
from flashdrill.model.faults import FaultRecord
from flashdrill.rehearsal.injection import Injected
from flashdrill.report.evidence import main_figures

PLAN = (
    "name: p\nfaults:\n  - {id: slow, kind: latency, target: shard0, AT, for: 1s, latency: 9ms}\n"
)


def record(*, observed: bool = True, healed: bool = True) -> FaultRecord:
    return FaultRecord("f", "latency", "shard0", 0.0, 1.0, effect_observed=observed, healed=healed)


@pytest.mark.parametrize(
    ("records", "was_interrupted", "code"),
    [
        ([record(), record()], False, 0),
        ([], True, 130),
        ([record(), record(observed=False)], False, 3),
        ([record(observed=False)], True, 130),
        ([record(observed=False), record(healed=False)], False, 4),
        ([record(healed=False)], True, 4),
    ],
)
def test_exit_codes(records: list[FaultRecord], was_interrupted: bool, code: int) -> None:
    assert Injected(records, was_interrupted).exit_code == code


def test_no_stack_is_said_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "p.yaml"
    plan.write_text(PLAN.replace("AT", "at: 1s"))
    assert invoke(["inject", str(plan), "--state", str(tmp_path / "none")]) == EXIT_STACK
    assert "remedy: flashdrill up" in capsys.readouterr().err


def test_a_bad_plan_is_refused_before_any_stack_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "p.yaml"
    plan.write_text(PLAN.replace("AT", "at: rush"))
    assert invoke(["inject", str(plan), "--state", str(tmp_path / "none")]) == EXIT_USAGE
    assert f"{plan}:3:" in capsys.readouterr().err


def test_canaries_are_told_by_their_middle_and_what_it_was_before() -> None:
    evidence = {
        "baseline_ms": 1.8,
        "during": ["answered", "answered", "silent"],
        "during_ms": [201.0, 300.0, 206.96],
        "healing": {"after": "answered"},
    }
    assert main_figures(evidence) == "answered, silent after 207.0 ms, before 1.8 ms"


def test_other_evidence_is_told_by_its_first_facts() -> None:
    evidence = {
        "write_before": "taken",
        "free_bytes": 0,
        "write_during": "ENOSPC",
        "observed_after_s": 0.1,
        "healing": {"free_bytes": 5},
    }
    assert main_figures(evidence) == "free bytes 0, write during ENOSPC"
    assert main_figures({}) == ""


def test_what_was_answered_is_told_before_how_quickly() -> None:
    evidence = {
        "canary": "GET /healthz",
        "status_before": 200,
        "statuses": {"503": 2, "200": 1},
        "statuses_direct": {"200": 2},
        "baseline_ms": 1.8,
        "during": ["answered"],
        "during_ms": [2.0],
        "counters": {"matched": 2},
        "proven_by": "canary",
    }
    said = "canary GET /healthz, statuses 503 ×2 and 200 ×1, answered after 2.0 ms, before 1.8 ms"
    assert main_figures(evidence) == said
