"""`steady_state:` and `abort:` as they are written."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.steady_state import BACK_WITHIN_S
from flashdrill.plan.faults import load_plan, merge, plan_table
from flashdrill.plan.scenario import load_scenario, scenario_schema
from tests.unit.planning import KINDS, TARGETS, small_scenario, write_scenario

PLAN = """\
name: cut
{}
faults:
  - {{id: slow, kind: latency, target: redis, at: rush, for: 2s, latency: 50ms}}
"""
A, B = "error_rate < 1%", "p99(buy) < 500ms for 2s"


def _scenario(folder: Path, text: str) -> Path:
    path = write_scenario(folder)
    path.write_text(f"{path.read_text()}{text}\n")
    return path


@pytest.mark.parametrize(
    ("text", "conditions", "back_within_s"),
    [
        (f"steady_state: {A}", [A], BACK_WITHIN_S),
        (f"steady_state: [{A}, {B}]", [A, B], BACK_WITHIN_S),
        (f"steady_state: {{conditions: [{A}], back_within: 3s}}", [A], 3.0),
        (f"steady_state: {{conditions: {A}}}", [A], BACK_WITHIN_S),
    ],
)
def test_a_steady_state_is_a_condition_or_several(
    tmp_path: Path, text: str, conditions: list[str], back_within_s: float
) -> None:
    steady = load_scenario(_scenario(tmp_path, text)).steady_state
    assert steady is not None
    assert [condition.text for condition in steady.conditions] == conditions
    assert steady.back_within_s == back_within_s


@pytest.mark.parametrize(("text", "found"), [(f"abort: {A}", [A]), (f"abort: [{A}, {B}]", [A, B])])
def test_abort_is_a_condition_or_several(tmp_path: Path, text: str, found: list[str]) -> None:
    aborts = load_scenario(_scenario(tmp_path, text)).aborts
    assert [condition.text for condition in aborts] == found


def test_a_scenario_without_them_has_none(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path)
    assert (scenario.steady_state, scenario.aborts) == (None, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steady_state: []", "at least 1"),
        ("abort: []", "at least 1"),
        ("abort: error_rate > 50% during rush", "a gate has `during`"),
        ("abort: recovery > 3s", "known only when the load is over"),
        ("steady_state: {conditions: [p99 < 1s], back_within: 0s}", "above zero"),
        ("steady_state: {back_within: 3s}", "needs 'conditions'"),
        ("steady_state: {conditions: [p99 < 1s], within: 3s}", "unknown key 'within'"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = _scenario(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as raised:
        load_scenario(path)
    assert f"small.yaml:{len(path.read_text().splitlines())}" in str(raised.value)


def test_plans_have_them_too_and_keep_them_together(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path)
    plans = []
    for number, text in enumerate((f"steady_state: {A}", f"abort: [{B}]")):
        path = tmp_path / f"plan{number}.yaml"
        path.write_text(PLAN.format(text).replace("slow", f"slow{number}"))
        plans.append(load_plan(path, scenario, KINDS, TARGETS))
    plan = merge(plans)
    assert [state.conditions[0].text for state in plan.steady_states] == [A]
    assert [condition.text for condition in plan.aborts] == [B]


def test_they_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path), [f"abort={A}", f"steady_state=[{A}, {B}]"])
    assert [condition.text for condition in scenario.aborts] == [A]
    assert scenario.steady_state is not None
    assert len(scenario.steady_state.conditions) == 2


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        (A, True),
        ([A, B], True),
        ({"conditions": [A], "back_within": "3s"}, True),
        ({"back_within": "3s"}, False),
        ("error_rate", False),
        ([], False),
    ],
)
def test_the_schemas_say_the_same(value: object, is_valid: bool) -> None:
    for schema in (scenario_schema(), plan_table(KINDS).schema()):
        validator = jsonschema.Draft202012Validator(schema["properties"]["steady_state"])
        assert validator.is_valid(value) is is_valid
