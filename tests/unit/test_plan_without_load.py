"""A plan by itself: what needs a scenario or a load is refused with its line, all else is as in a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.plan.without_load import load_plan_without_load
from tests.unit.planning import KINDS, TARGETS, small_scenario

SLOW = "  - {id: slow, kind: latency, target: shard1, at: 3s, for: 8s, latency: 60ms}\n"
KILL = "  - {id: kill, kind: kill, target: backend, at: slow.end + 10%, for: 1s}\n"
RUSH = SLOW.replace("3s", "rush + 4s")


def plan_of(folder: Path, *faults: str, with_scenario: bool = False, seed: int = 1) -> FaultPlan:
    path = folder / "plan.yaml"
    path.write_text("name: alone\nfaults:\n" + "".join(faults))
    scenario = small_scenario(folder) if with_scenario else None
    return load_plan_without_load(path, KINDS, TARGETS, seed=seed, scenario=scenario)


def test_times_and_faults_need_no_scenario(tmp_path: Path) -> None:
    slow, kill = plan_of(tmp_path, KILL, SLOW).faults
    assert (slow.id, slow.start_s, slow.end_s) == ("slow", 3.0, 11.0)
    assert (kill.id, kill.start_s) == ("kill", 11.8)


def test_stages_are_those_of_the_scenario(tmp_path: Path) -> None:
    (slow,) = plan_of(tmp_path, RUSH, with_scenario=True).faults
    assert slow.start_s == 14.0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (RUSH, "'rush' is no fault of this plan"),
        (SLOW.replace("3s", "10%"), "a share of the whole run"),
        (SLOW.replace("8s", "10%"), "a share of the whole run"),
    ],
)
def test_what_needs_a_scenario_is_refused(tmp_path: Path, fault: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        plan_of(tmp_path, fault)
    assert refused.value.line == 3
    assert "--scenario" in refused.value.remedy


@pytest.mark.parametrize("with_scenario", [False, True])
def test_a_condition_is_refused_either_way(tmp_path: Path, with_scenario: bool) -> None:
    waiting = SLOW.replace("at: 3s", "when: error_rate > 1%")
    with pytest.raises(ConfigError, match="a condition of the load, and there is none") as refused:
        plan_of(tmp_path, waiting, with_scenario=with_scenario)
    assert refused.value.line == 3


def test_chance_is_drawn_by_the_seed(tmp_path: Path) -> None:
    drawn = SLOW.replace("at: 3s", "at: 1s..60s")
    starts = [plan_of(tmp_path, drawn, seed=seed).faults[0].start_s for seed in (1, 1, 2)]
    assert starts[0] == starts[1] != starts[2]
