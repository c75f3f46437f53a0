"""A run that looks at itself while it runs: faults at conditions, a steady state, and the end before its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.running import run

pytestmark = pytest.mark.rehearsal
HERE = Path(__file__).parent
SCENARIO, PLAN = HERE / "guarded.yaml", HERE / "guarded_plan.yaml"
LOAD_S = 30.0


def test_a_fault_that_a_condition_started_is_healed_when_another_aborts_the_run(
    tmp_path: Path,
) -> None:
    ended = run(tmp_path / "runs", "--chaos", str(PLAN), scenario=SCENARIO)
    assert ended.exit_code == 1, ended.output
    summary = ended.summary
    assert summary["reasons"][0].startswith("aborted: error_rate(place_order) > 50% for 2s, seen ")
    _ended_early(summary)
    (fault,) = summary["faults"]
    assert (fault["effect_observed"], fault["healed"]) == (True, True), fault
    assert fault["condition"] == "rate(place_order) > 5/s for 2s"
    assert summary["aborted"]["from_s"] >= fault["start_s"] - 1, "it was the fault that did it"
    assert summary["aborted"]["value"] > 0.5
    (steady,) = summary["steady_state"]
    assert (steady["before"], steady["after"]) == ("holds", "unknown")
    assert steady["broken"], "while the service was gone"
    assert ended.invariants("holds") == {i["name"] for i in summary["audit"]["invariants"]}
    assert summary["load"]["generator"]["event"] == "done"
    assert summary["load"]["generator"]["interrupted"]


def test_what_does_not_hold_before_the_first_fault_keeps_it_from_being_made(tmp_path: Path) -> None:
    ended = run(
        tmp_path / "runs",
        "--chaos",
        str(PLAN),
        "--set",
        "steady_state=rate(place_order) > 1000/s",
        scenario=SCENARIO,
    )
    assert ended.exit_code == 3, ended.output
    summary = ended.summary
    assert summary["reasons"][0].startswith(
        "the steady state did not hold before the first fault: rate(place_order) > 1000/s (seen "
    )
    assert summary["faults"] == []
    assert ended.folder is not None
    assert '"inject"' not in (ended.folder / "events.jsonl").read_text()
    assert summary["aborted"] is None
    assert [state["before"] for state in summary["steady_state"]] == ["broken", "holds"]
    _ended_early(summary)
    assert not ended.invariants("unknown"), "the audit is done all the same"


def _ended_early(summary: dict[str, object]) -> None:
    duration_s = summary["duration_s"]
    assert isinstance(duration_s, float)
    assert duration_s < LOAD_S - 5
