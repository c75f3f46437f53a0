"""`flashdrill validate` and `schema`: mistakes with file and line, warnings that fail nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from flashdrill.cli.main import invoke
from flashdrill.errors import StackError
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import (
    Arrivals,
    Climb,
    Gate,
    Limits,
    Ramp,
    RecordedArrivals,
    Scenario,
    Stage,
)
from flashdrill.plan.suspicions import awaits_traffic, peak_of, suspicions, suspicions_of_plan
from tests.unit.crowds import ramp, steady
from tests.unit.planning import small_scenario, write_scenario
from tests.unit.test_cli_list import PLAN


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "chaos/plans").mkdir(parents=True)
    write_scenario(tmp_path / "scenarios")
    (tmp_path / "chaos/plans/night.yaml").write_text(PLAN)
    return tmp_path


def test_one_good_file_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["validate", "scenarios/small.yaml"]) == 0
    said = capsys.readouterr()
    assert said.out == "scenarios/small.yaml: a valid scenario\n"
    assert said.err == ""


def test_folders_are_searched_and_mistakes_counted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "chaos/plans/late.yaml").write_text(PLAN.replace("4s", "4"))
    (here / "scenarios/torn.yml").write_text("name: [\n")
    (here / "scenarios/other.yaml").write_text("services: {}\n")
    assert invoke(["validate", "scenarios", "chaos", "scenarios/small.yaml"]) == 2
    said = capsys.readouterr()
    assert "chaos/plans/late.yaml:4: faults[0].at: " in said.err
    assert "scenarios/torn.yml:" in said.err
    assert "scenarios/other.yaml: skipped" in said.out
    assert said.out.splitlines()[-1] == "5 files: 2 wrong"


def test_a_file_that_was_named_must_be_of_a_kind(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "scenarios/other.yaml").write_text("services: {}\n")
    assert invoke(["validate", "scenarios/other.yaml"]) == 2
    assert "neither a scenario" in capsys.readouterr().err
    assert invoke(["validate", "scenarios/nothing.yaml"]) == 2
    assert "no such file" in capsys.readouterr().err
    (here / "empty").mkdir()
    assert invoke(["validate", "empty"]) == 2
    assert "no YAML file in empty" in capsys.readouterr().err
    assert invoke(["validate"]) == 2


def test_what_belongs_to_runs_is_not_searched(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = here / "reports/runs/20260127T1-small/scenario.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("stages: 3\n")
    assert invoke(["validate", "."]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 files: none wrong"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("rush + 4s", "rash + 4s"), "no stage or fault 'rash'"),
        (lambda text: text.replace("shard1", "shard9"), "no target 'shard9'"),
        (lambda text: text.replace("shard1", "nobody"), "no target 'nobody'"),
    ],
)
def test_a_scenario_is_checked_with_its_plans(
    here: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], said: str
) -> None:
    scenario = here / "scenarios/small.yaml"
    scenario.write_text(scenario.read_text() + "chaos: [../chaos/plans/night.yaml]\n")
    assert invoke(["validate", "scenarios/small.yaml"]) == 0
    (here / "chaos/plans/night.yaml").write_text(change(PLAN))
    assert invoke(["validate", "scenarios/small.yaml"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "night.yaml:4" in told


def test_the_backend_is_asked_about_its_settings(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = here / "scenarios/small.yaml"
    before = scenario.read_text()
    scenario.write_text(before + "backend: {pool_size: 4}\n")
    assert invoke(["validate", "scenarios/small.yaml"]) == 0
    scenario.write_text(before + "backend: {pool_sise: 4}\n")
    assert invoke(["validate", "scenarios/small.yaml"]) == 2
    told = capsys.readouterr().err
    assert "scenarios/small.yaml: the backend refuses its settings" in told
    assert "pool_sise" in told


def test_a_backend_that_cannot_be_asked_is_a_warning(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(root: Path, settings: object) -> None:
        raise StackError("Traceback (most recent call last):\n  ...\nno module named asyncpg")

    monkeypatch.setattr("flashdrill.stack.backend.check_settings", broken)
    scenario = here / "scenarios/small.yaml"
    scenario.write_text(scenario.read_text() + "backend: {pool_size: 4}\n")
    assert invoke(["validate", "scenarios/small.yaml"]) == 0
    told = capsys.readouterr().err
    assert "could not be asked about its settings: no module" in told
    assert "Traceback" not in told


def test_warnings_do_not_fail(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = here / "scenarios/small.yaml"
    scenario.write_text(scenario.read_text().partition("gates:")[0])
    assert invoke(["validate", "scenarios/small.yaml"]) == 0
    assert "small.yaml: warning: it has no gates" in capsys.readouterr().err


SLOW = PlannedFault("slow", "latency", "shard1", 20.0, 5.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: replace(s, gates=()), "it has no gates"),
        (lambda s: replace(s, stages=(Stage("browse", 0, 10),)), "no stage has arrivals"),
        (
            lambda s: replace(s, gates=(Gate("p99 < 1s during steady", "p99", "", "<", 1, "steady"),)),
            "on a stage without arrivals",
        ),
        (
            lambda s: replace(s, gates=(Gate("error_rate <= 100%", "error_rate", "", "<=", 1.0, ""),)),
            "`error_rate <= 100%` can never fail",
        ),
        (lambda s: replace(s, limits=Limits(in_flight=169)), "limits.in_flight is 169"),
        (
            lambda s: replace(s, climb=Climb("climb", 60, (5.0, 15.0), 4.0, 0.0, (("buy", 1.0),))),
            "a step of climb has about 20 arrivals in its hold: by chance their number is off by 22%",
        ),
    ],
)  # fmt: skip
def test_a_suspicious_scenario(
    tmp_path: Path, change: Callable[[Scenario], Scenario], said: str
) -> None:
    scenario = small_scenario(tmp_path)
    assert list(suspicions(scenario)) == []
    (warning,) = suspicions(change(scenario))
    assert said in warning


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (PlannedFault("cut", "timeout", "shard1", 24.0, 5.0), "slow and cut are on shard1"),
        (PlannedFault("cut", "timeout", "redis", 58.0, 1.5), "healed 0.5 s before the run's end"),
        (PlannedFault("cut", "timeout", "shard1", 25.0, 5.0), ""),
        (PlannedFault("cut", "timeout", "redis", 24.0, 5.0), ""),
    ],
)
def test_a_suspicious_plan(tmp_path: Path, other: PlannedFault, said: str) -> None:
    plan = FaultPlan("night", Path(), (SLOW, other))
    found = list(suspicions_of_plan(plan, small_scenario(tmp_path)))
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_steps_of_some_hundred_arrivals_or_of_even_ones_are_not_suspected(tmp_path: Path) -> None:
    scenario, small = small_scenario(tmp_path), Climb("climb", 60, (5.0,), 4.0, 0.0, ())
    for climb in (replace(small, is_even=True), replace(small, hold_s=60.0)):
        assert list(suspicions(replace(scenario, climb=climb))) == []


def test_the_busiest_second() -> None:
    rush = (ramp("buy", 40, 10, 10), steady("browse", 5, 10))
    assert peak_of(Stage("rush", 0, 10, rush)) == 45
    early = Arrivals("buy", (Ramp(2, 10, 10), Ramp(1, 90, 90), Ramp(7, 10, 10)))
    late = Arrivals("browse", (Ramp(5, 20, 20), Ramp(2, 20, 80), Ramp(3, 80, 20)))
    assert peak_of(Stage("rush", 0, 10, (early, late))) == 110
    recorded = (RecordedArrivals("buy", (0.1, 1.2, 1.3)), RecordedArrivals("browse", (1.9,)))
    assert peak_of(Stage("recorded", 0, 3, recorded=recorded)) == 3
    assert peak_of(Stage("idle", 0, 3)) == 0


def test_the_busiest_second_of_a_long_wave_does_not_take_long() -> None:
    ramps = tuple(Ramp(0.1, n % 64, (n + 1) % 64) for n in range(20_000))
    began = time.monotonic()
    assert peak_of(Stage("swell", 0, 2000, (Arrivals("buy", ramps),))) == pytest.approx(63)
    assert time.monotonic() - began < 5


def test_what_awaits_its_traffic_is_not_suspected(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path)
    assert not awaits_traffic(scenario)
    assert awaits_traffic(replace(scenario, stages=(Stage("recorded", 0, 2),)))


@pytest.mark.parametrize("kind", ["scenario", "plan", "traffic", "summary"])
def test_schemas_are_printed_or_written(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert invoke(["schema", kind]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert invoke(["schema", kind, "-o", "schema.json"]) == 0
    assert json.loads((here / "schema.json").read_text()) == printed
    assert invoke(["schema", kind, "-o", "nowhere/schema.json"]) == 2
    assert "nowhere/schema.json: cannot be written" in capsys.readouterr().err


def test_another_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["schema", "nothing"]) == 2
    assert "'nothing' is not one of" in capsys.readouterr().err
