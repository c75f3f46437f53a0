"""Each planted defect is caught by the invariant that exists for it; without one the same run passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.running import BRIEF, run

pytestmark = pytest.mark.rehearsal

CAUGHT_BY = {
    "oversell": "sold-within-stock",
    "lose-queued": "no-acknowledged-order-lost",
    "double-on-retry": "one-order-per-key",
    "silent-drop": "no-acknowledged-order-lost",
}


@pytest.mark.parametrize("defect", CAUGHT_BY)
def test_a_planted_defect_fails_the_run_with_examples(tmp_path: Path, defect: str) -> None:
    ended = run(tmp_path / "runs", "--set", f"backend.defect={defect}", scenario=BRIEF)
    assert ended.exit_code == 1, ended.output
    violated = {
        i["name"]: i for i in ended.summary["audit"]["invariants"] if i["status"] == "violated"
    }
    assert CAUGHT_BY[defect] in violated
    assert violated[CAUGHT_BY[defect]]["examples"]
    assert any(CAUGHT_BY[defect] in reason for reason in ended.summary["reasons"])


def test_without_a_defect_every_invariant_holds(tmp_path: Path) -> None:
    ended = run(tmp_path / "runs", scenario=BRIEF)
    assert ended.exit_code == 0, ended.output
    assert ended.invariants("holds") >= set(CAUGHT_BY.values())
