"""JSON Schemas agree with the parser: on the shipped files, and on each of their mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flashdrill.chaos.catalogue import catalogue
from flashdrill.errors import ConfigError
from flashdrill.plan.faults import load_plan
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.schema import KINDS, schema_for
from flashdrill.plan.traffic import write_traffic
from flashdrill.plan.validate import validate_file
from tests.unit.planning import SCENARIO
from tests.unit.test_plan_scenario import MISTAKES
from tests.unit.test_plan_traffic import MODEL

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
PLANS = sorted((ROOT / "chaos" / "plans").glob("*.yaml"))
TARGETS = {
    **{f"shard{number}": frozenset({"postgres"}) for number in range(4)},
    "redis": frozenset({"redis"}),
    "backend": frozenset({"http", "process"}),
    "payment": frozenset({"http"}),
}
BEYOND_A_SCHEMA = (
    "'0x10'",
    "parameters.a",
    "no such file",
    "two ",
    "3 products",
    "needs `count`",
    "no stage",
    "duplicate",
)


def complaint(kind: str, document: Any) -> str:
    """What the schema says against a document; empty when it is content."""
    validator = jsonschema.Draft202012Validator(schema_for(kind))
    return next((error.message for error in validator.iter_errors(document)), "")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_schemas_are_schemas(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_for(kind))


@pytest.mark.parametrize("path", [*SCENARIOS, *PLANS], ids=lambda path: path.name)
def test_the_shipped_files_are_good(path: Path) -> None:
    kind = "scenario" if path in SCENARIOS else "plan"
    assert complaint(kind, yaml.safe_load(path.read_text())) == ""
    assert validate_file(path) == kind


def test_a_traffic_model(tmp_path: Path) -> None:
    path = tmp_path / "traffic.yaml"
    write_traffic(MODEL, path)
    assert complaint("traffic", yaml.safe_load(path.read_text())) == ""
    assert validate_file(path) == "traffic"


@pytest.mark.parametrize(
    ("old", "new"),
    [m[:2] for m in MISTAKES if not any(words in m[3] for words in BEYOND_A_SCHEMA)],
)
def test_schema_and_parser_refuse_the_same(old: str, new: str) -> None:
    assert complaint("scenario", yaml.safe_load(SCENARIO.replace(old, new, 1)))


def test_a_plan_with_an_unknown_parameter_is_refused_by_its_schema() -> None:
    document = yaml.safe_load(PLANS[0].read_text())
    document["faults"][0]["no_such_parameter"] = 1
    assert complaint("plan", document)


@pytest.mark.parametrize(
    ("scenario", "plan"),
    [("flash_sale", "promotion_night"), ("smoke", "smoke")],
)
def test_the_shipped_plans_fit_their_scenarios(scenario: str, plan: str) -> None:
    loaded = load_scenario(ROOT / "scenarios" / f"{scenario}.yaml")
    path = ROOT / "chaos" / "plans" / f"{plan}.yaml"
    assert [p.resolve() for p in loaded.chaos] == [path]
    made = load_plan(path, loaded, catalogue(), TARGETS)
    spans = {fault.id: (fault.start_s, fault.end_s) for fault in made.faults}
    assert set(spans) == {"shard-timeout", "backend-kill", "slow-shard", "redis-delay"}
    shard, kill = spans["shard-timeout"], spans["backend-kill"]
    assert shard[0] + 3.5 < kill[0] < kill[1] < shard[1], "killed while its orders are queued"


@pytest.mark.parametrize("speed", [1, 5])
def test_the_recorded_plan_meets_a_short_recording(
    tmp_path: Path, speed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_traffic(MODEL, tmp_path / "traffic.yaml")
    overrides = ["traffic.file=traffic.yaml", f"traffic.speed={speed}"]
    loaded = load_scenario(ROOT / "scenarios" / "recorded.yaml", overrides)
    made = load_plan(ROOT / "chaos" / "plans" / "recorded.yaml", loaded, catalogue(), TARGETS)
    assert len(made.faults) == 4
    assert all(fault.end_s < loaded.duration_s for fault in made.faults)


def test_a_file_of_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("services:\n  web: {}\n")
    with pytest.raises(ConfigError, match="neither a scenario, nor a plan, nor a traffic model"):
        validate_file(path)
