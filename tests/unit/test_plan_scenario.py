"""Scenario files: what is read from a good one, and what is said about each kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.model.scenario import Limits, Product, Stage
from flashdrill.plan.scenario import load_scenario
from tests.unit.crowds import ramp, steady
from tests.unit.planning import SCENARIO, small_scenario, write_scenario


def test_a_good_scenario(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path)
    assert scenario.stages == (
        Stage("browse", 0.0, 10.0, (steady("browse", 40.0, 10.0),)),
        Stage("rush", 10.0, 20.0, (steady("browse", 10.0, 20.0), ramp("buy", 40.0, 160.0, 20.0))),
        Stage("steady", 30.0, 30.0),
    )
    assert scenario.duration_s == 60.0
    assert scenario.world.products == (
        Product("hot", 1999, 4, 2.5),
        *(Product(f"cold-{n}", 500, 50, 1.0) for n in (1, 2, 3)),
    )
    assert scenario.locustfile == tmp_path / "crowd.py"
    assert [gate.line for gate in scenario.gates] == [13, 14]
    assert (scenario.seed, scenario.time_scale, scenario.limits) == (1, 1.0, Limits())


def test_a_staircase_is_calibrated_unless_it_says_otherwise(tmp_path: Path) -> None:
    stairs = "{from: 1/s, to: 2/s, step: 1/s, hold: 2s}"
    entry = f"  - {{name: climb, staircase: {stairs}, mix: {{browse: 1}}}}\n"
    assert small_scenario(tmp_path).calibrate_s == 0
    climb = write_scenario(tmp_path, "stages:\n", "stages:\n" + entry)
    assert load_scenario(climb).calibrate_s == 2
    assert load_scenario(climb, ("calibrate=0s",)).calibrate_s == 0
    asked = write_scenario(tmp_path, "name: small", "name: small\ncalibrate: 500ms")
    assert load_scenario(asked).calibrate_s == 0.5
    for too in ("40s", "10ms"):
        with pytest.raises(ConfigError, match="a calibration takes 500ms to 30s") as error:
            load_scenario(climb, (f"calibrate={too}",))
        assert "or 0s for none at all" in str(error.value)


MISTAKES = [
    ("name: small", "name: small\nsede: 3", 2, "unknown key 'sede' in a scenario; did you mean 'seed'"),
    ("name: small", "name: small\nname: large", 2, "duplicate key 'name' (first given in line 1)"),
    ("name: small", "name: ../x", 1, "'../x' is not a name"),
    ("name: small", "nom: small", 1, "unknown key 'nom'"),
    ("name: small\n", "", 1, "a scenario needs 'name'"),
    ("name: small", "name:", 1, "expected a text, found nothing"),
    ("name: small", "name: 12", 1, "expected a text, found '12'"),
    ("crowd.py", "crowed.py", 2, "locustfile: no such file:"),
    ("users: 10", "users: many", 4, "world.users: expected a whole number, found 'many'"),
    ("users: 10", "users: 0", 4, "0 is out of range: from 1 to"),
    ("users: 10", "users: 0x10", 4, "expected a whole number, found '0x10'"),
    ('"19.99"', "19.99", 6, "expected a price in quotes, found '19.99'"),
    ('"19.99"', '"19.9"', 6, "world.products[0].price: '19.9' is not a price"),
    ("stock: 4,", "stock: -4,", 6, "-4 is out of range"),
    ("weight: 2.5", "weight: 0", 6, "0 is out of range: over 0"),
    ("sku: hot", "sku: cold-2", 7, "two products have the sku 'cold-2'"),
    ("count: 3, ", "", 7, "needs `count`, the number of products"),
    ('"cold-{n}"', "cold", 7, "3 products cannot all be 'cold'"),
    ("duration: 20s", "duration: 9 parsecs", 10, "stages[1].duration: '9 parsecs' is not a duration"),
    ("duration: 20s", "duration: 20", 10, "'20' has no unit; did you mean 20ms or 20s?"),
    ("duration: 20s", "duration: 0s", 10, "expected a duration above zero"),
    ("duration: 20s", "duratoin: 20s", 10, "unknown key 'duratoin' in a stage; did you mean 'duration'"),
    ("browse: 40/s", "browse: 40", 9, "did you mean 40/s?"),
    ("browse: 40/s", '"a b": 40/s', 9, "'a b' is not the name of a journey"),
    ("to: 160/s", "too: 160/s", 10, "unknown key 'too' in a ramp; did you mean 'to'"),
    (", to: 160/s", "", 10, "a ramp needs 'to'"),
    ("name: steady", "name: rush", 11, "two stages are called 'rush'"),
    ("during rush", "during rash", 13, "no stage 'rash'; did you mean 'rush'?"),
    ("800ms during", "800 during", 13, "did you mean 800ms or 800s?"),
    ("recovery < 30s", "{recovery: 30s}", 14, "expected a gate"),
    ("gates:", "traffic: {}\ngates:", 12, "the scenario has stages"),
    ("gates:", "limits: {in_flight: true}\ngates:", 12, "expected a whole number, found 'true'"),
    ("gates:", "time_scale: 0\ngates:", 12, "0 is out of range: over 0 to 1000"),
    ("gates:", "chaos: [none.yaml]\ngates:", 12, "chaos[0]: no such file"),
    ("gates:", "chaos: none.yaml\ngates:", 12, "chaos: expected a list, found 'none.yaml'"),
    ("gates:", "backend: {a: [1]}\ngates:", 12, "backend.a: expected a single value, found a list"),
    ("gates:", "parameters: {a: .inf}\ngates:", 12, "parameters.a: expected a number"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    path = write_scenario(tmp_path, old, new)
    with pytest.raises(ConfigError) as error:
        load_scenario(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert says in str(error.value)


def test_a_scenario_needs_stages(tmp_path: Path) -> None:
    path = write_scenario(tmp_path)
    path.write_text(SCENARIO[: SCENARIO.index("stages:")])
    with pytest.raises(ConfigError, match="needs 'stages'"):
        load_scenario(path)


def test_overrides_are_typed_as_in_the_file(tmp_path: Path) -> None:
    overrides = (
        "seed=3",
        "time_scale=2.5",
        "limits.in_flight=100",
        "limits.request_timeout=800ms",
        "backend.defect=oversell",
        "backend.pool_size=4",
        "parameters.deep.think=0.3s",
        "world.users=7",
        "gates=[drain < 2s]",
        "seed=4",
    )
    scenario = load_scenario(write_scenario(tmp_path), overrides)
    assert (scenario.seed, scenario.time_scale, scenario.world.users) == (4, 2.5, 7)
    assert scenario.limits == Limits(in_flight=100, request_timeout_s=0.8)
    assert scenario.backend == {"defect": "oversell", "pool_size": 4}
    assert scenario.parameters == {"deep": {"think": "0.3s"}}
    assert [(gate.metric, gate.line) for gate in scenario.gates] == [("drain", 0)]


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("sede=3", "unknown key; did you mean 'seed'?"),
        ("limits.inflight=3", "unknown key; did you mean 'limits.in_flight'?"),
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("seed=many", "seed=many: expected a whole number, found 'many'"),
        ("seed=", "expected a whole number"),
        ("seed=[1", "not a YAML value"),
        ("seed.x=1", "seed is a single value, it has no 'x'"),
        ("stages.rush=3s", "stages is a list, it has no 'rush'"),
        ("backend.a.b=1", "backend.a is a single value"),
        ("world=3", "expected a mapping, found '3'"),
        ("traffic.file=none.yaml", "no such file"),
        ("traffic.speed=fast", "expected a number, found 'fast'"),
        ("traffic.speed=5", "the scenario has stages"),
        ("gates=[p99 < 3s during rash]", "no stage 'rash'"),
    ],
)
def test_a_wrong_override_names_the_argument(tmp_path: Path, argument: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_scenario(write_scenario(tmp_path), [argument])
    assert str(error.value).startswith(f"--set {argument}: ")
    assert says in str(error.value)


def test_paths_are_relative_to_the_file_or_to_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").touch()
    monkeypatch.chdir(elsewhere)
    path = write_scenario(tmp_path)
    assert load_scenario(path).locustfile == tmp_path / "crowd.py"
    assert load_scenario(path, ["locustfile=mine.py"]).locustfile == elsewhere / "mine.py"


@settings(deadline=None)
@given(
    start=st.integers(0, len(SCENARIO)),
    length=st.integers(0, 12),
    inserted=st.text(st.sampled_from("{}[]:,-+*&!|>'\"#%@`\n\t ~0.x<&*é\x00"), max_size=6),
)
def test_any_slip_of_the_keyboard_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, inserted: str
) -> None:
    path = write_scenario(tmp_path_factory.mktemp("slip"))
    path.write_text(SCENARIO[:start] + inserted + SCENARIO[start + length :])
    try:
        assert load_scenario(path).duration_s > 0
    except ConfigError as error:
        assert str(error).startswith(f"{path}:"), error


def test_a_locustfile_that_is_no_python_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_scenario(tmp_path)
    (tmp_path / "crowd.py").write_text("import json\nclass Crowd(:\n")
    with pytest.raises(ConfigError, match=r"crowd\.py:2: no Python: invalid syntax"):
        load_scenario(path)
    (tmp_path / "crowd.py").write_bytes(b"x = '\0'\n")
    with pytest.raises(ConfigError, match="no Python"):
        load_scenario(path)
