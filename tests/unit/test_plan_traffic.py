"""Traffic models: read, checked, sped up, and turned into the stage `recorded`."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.scenario import RecordedArrivals, Scenario
from flashdrill.model.traffic import TrafficModel
from flashdrill.plan.scenario import check_scenario, load_scenario
from flashdrill.plan.traffic import read_traffic, write_traffic
from tests.unit.planning import SCENARIO

MODEL = TrafficModel(
    source="results.jtl",
    rows=5,
    first_at="2018-07-23T20:09:18.104Z",
    duration_s=2.0,
    offsets_ms={
        "FetchA": array("q", [0, 1000]),
        "FetchB": array("q", [500, 2000]),
        "Pay": array("q", [500]),
    },
    operations={"Fetch*": "browse", "Pay": "order"},
    skipped={"empty lines": 1},
)
WITHOUT_STAGES = SCENARIO[: SCENARIO.index("stages:")]


def scenario(folder: Path, section: str, *overrides: str) -> Scenario:
    """The small scenario with this traffic section, and the model beside it."""
    (folder / "crowd.py").touch()
    write_traffic(MODEL, folder / "traffic.yaml")
    path = folder / "recorded.yaml"
    path.write_text(WITHOUT_STAGES + section)
    return load_scenario(path, overrides)


def test_a_written_model_reads_back_and_is_for_people(tmp_path: Path) -> None:
    path = tmp_path / "traffic.yaml"
    write_traffic(MODEL, path)
    assert read_traffic(path) == MODEL
    text = path.read_text()
    assert "format: flashdrill-traffic/1" in text
    assert "FetchA: [0, 1000]" in text
    assert [p.name for p in tmp_path.iterdir()] == ["traffic.yaml"]


def test_a_model_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_traffic(MODEL, tmp_path / "none" / "traffic.yaml")


def test_every_row_is_due_at_its_recorded_time(tmp_path: Path) -> None:
    (stage,) = scenario(tmp_path, "traffic: {file: traffic.yaml, tail: 3s}\n").stages
    assert (stage.name, stage.start_s, stage.duration_s) == ("recorded", 0.0, 5.0)
    assert stage.recorded == (
        RecordedArrivals("browse", (0.0, 0.5, 1.0, 2.0)),
        RecordedArrivals("order", (0.5,)),
    )


def test_speed_and_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = 'traffic: {speed: 1, map: {FetchB: buy, "Fet*": look}}\n'
    made = scenario(tmp_path, section, "traffic.file=traffic.yaml", "traffic.speed=5")
    (stage,) = made.stages
    assert stage.duration_s == 2.0 / 5 + 2.0
    assert stage.recorded == (
        RecordedArrivals("look", (0.0, 0.2)),
        RecordedArrivals("buy", (0.1, 0.4)),
        RecordedArrivals("order", (0.1,)),
    )


def test_a_window_counts_from_its_own_start_and_ends_before_its_end(tmp_path: Path) -> None:
    section = "traffic: {file: traffic.yaml, from: 500ms, until: 2s, speed: 2}\n"
    (stage,) = scenario(tmp_path, section).stages
    assert stage.recorded == (
        RecordedArrivals("browse", (0.0, 0.25)),
        RecordedArrivals("order", (0.0,)),
    )
    assert stage.duration_s == 0.25 + 2.0
    (rest,) = scenario(tmp_path, "traffic: {file: traffic.yaml, from: 1s}\n").stages
    assert rest.recorded == (RecordedArrivals("browse", (0.0, 1.0)),)


def test_windows_side_by_side_are_the_recording() -> None:
    parts = [MODEL.window(0, 0.5), MODEL.window(0.5, 1.9), MODEL.window(1.9)]
    assert sum(part.rows for part in parts) == MODEL.rows
    starts_ms = (0, 500, 1900)
    together = [
        (start_ms + ms, label)
        for start_ms, part in zip(starts_ms, parts, strict=True)
        for label, offsets in part.offsets_ms.items()
        for ms in offsets
    ]
    whole = [(ms, label) for label, offsets in MODEL.offsets_ms.items() for ms in offsets]
    assert sorted(together) == sorted(whole)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("traffic: {file: traffic.yaml, map: {Fetsch: buy}}\n", ":8: no label fits 'Fetsch'"),
        ("traffic: {file: none.yaml}\n", ":8: traffic.file: no such file"),
        ("traffic: {file: traffic.yaml, speed: 0}\n", ":8: traffic.speed: 0 is out of range"),
        ("traffic: {file: traffic.yaml, sped: 2}\n", "did you mean 'speed'?"),
        (
            "traffic: {file: traffic.yaml, from: 2s, until: 1s}\n",
            ":8: traffic.until: the window ends at 1s and begins at 2s",
        ),
        (
            "traffic: {file: traffic.yaml, from: 3s}\n",
            ":8: traffic.from: nobody came in this window of a recording of 2s",
        ),
        ("traffic: {speed: 2}\n", ":8: traffic: which traffic? `file` is not given"),
    ],
)
def test_a_wrong_traffic_section(tmp_path: Path, section: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        scenario(tmp_path, section)
    assert says in str(error.value)


def test_a_scenario_that_awaits_its_traffic_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "crowd.py").touch()
    path = tmp_path / "recorded.yaml"
    path.write_text(WITHOUT_STAGES + "traffic: {speed: 2}\ngates: [p99 < 3s during recorded]\n")
    check_scenario(path)
    path.write_text(WITHOUT_STAGES + "traffic: {speed: 2}\ngates: [p99 < 3s during rush]\n")
    with pytest.raises(ConfigError, match="no stage 'rush'"):
        check_scenario(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("flashdrill-traffic/1", "flashdrill-traffic/9", "expected flashdrill-traffic/1, found"),
        ("rows: 5", "rows: 6", "rows says 6, but there are 5 arrivals"),
        ("duration: 2s", "duration: 3s", "the last arrival is at 2s"),
        ("[0, 1000]", "[1000, 0]", "0 comes after 1000: the times must ascend"),
        ("[0, 1000]", "[0, soon]", "expected a whole number, found 'soon'"),
        ("[0, 1000]", "[]", "expected a list of milliseconds"),
        ("  Pay: order\n", "", "no journey for the label 'Pay'"),
        ("2018-07-23T20:09:18.104Z", "in July", "expected a time such as"),
        ("source:", "sauce:", "did you mean 'source'?"),
    ],
)
def test_an_edited_model_is_checked(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "traffic.yaml"
    write_traffic(MODEL, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        read_traffic(path)
    assert f"{path}:" in str(error.value)
    assert error.value.line
    assert says in str(error.value)
