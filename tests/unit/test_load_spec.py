from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.spec import CrowdSpec, read_spec, write_spec
from flashdrill.model.scenario import (
    Arrivals,
    Limits,
    Product,
    Ramp,
    RecordedArrivals,
    Scenario,
    Stage,
    World,
)

SCENARIO = Scenario(
    name="sale",
    path=Path("sale.yaml"),
    locustfile=Path("sale.py"),
    stages=(
        Stage(
            "rush",
            0,
            9.5,
            (Arrivals("order", (Ramp(9.5, 1, 2.5),)),),
            (RecordedArrivals("browse", (0.1, 3)),),
        ),
    ),
    world=World(10, (Product("hot-1", 1999, 40, 2.5),)),
    seed=7,
    time_scale=10,
    limits=Limits(in_flight=8, request_timeout_s=2, max_attempts=3),
    parameters={"double_click_share": 0.5, "channel": "DY"},
)


def spec_of(folder: Path, **more: int) -> CrowdSpec:
    return CrowdSpec.from_scenario(
        SCENARIO,
        base_url="http://127.0.0.1:1",
        payment_url="http://127.0.0.1:2",
        hmac_secret="do-not-tell",
        folder=folder,
        **more,
    )


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    write_spec(spec, tmp_path / "crowd.json")
    assert read_spec(tmp_path / "crowd.json") == spec
    assert spec.stages == SCENARIO.stages
    assert spec.world == SCENARIO.world
    assert (spec.duration_s, spec.finish_timeout_s) == (9.5, 16.0)


def test_the_secret_is_for_the_owner_only(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    write_spec(spec, tmp_path / "crowd.json")
    assert stat.S_IMODE((tmp_path / "crowd.json").stat().st_mode) == 0o600
    assert "do-not-tell" not in f"{spec!r} {spec}"


def test_workers_have_files_of_their_own_and_one_start(tmp_path: Path) -> None:
    first, second = (spec_of(tmp_path, worker=w, workers=2) for w in range(2))
    assert first.ops_path != second.ops_path
    assert first.live_path != second.live_path
    assert first.start_path == second.start_path


@pytest.mark.parametrize("text", ["", "{}", '{"name": 1}'])
def test_what_is_no_specification_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "crowd.json").write_text(text)
    with pytest.raises(ConfigError, match="not a crowd's specification"):
        read_spec(tmp_path / "crowd.json")


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crowd.json"
    write_spec(spec_of(tmp_path), path)
    path.write_text(path.read_text().replace('"seed"', '"sed": 1, "seed"'))
    with pytest.raises(ConfigError, match="sed"):
        read_spec(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_spec(tmp_path / "nowhere.json")
