"""`scale`: as many more arrivals as were asked for, where the recording had them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flashdrill.cli.main import invoke
from flashdrill.errors import ConfigError
from flashdrill.load.schedule import arrivals
from flashdrill.model.scale import scaled
from flashdrill.model.scenario import RecordedArrivals, Stage
from flashdrill.plan.crowd import orders_from
from flashdrill.plan.suspicions import lost_journeys, suspicions
from flashdrill.plan.traffic import write_traffic
from tests.unit.test_cli_heal import ballast, journal
from tests.unit.test_plan_traffic import MODEL, scenario

RECORDED = Path(__file__).parents[2] / "scenarios" / "recorded.yaml"
TIMES = st.lists(st.integers(0, 100_000), max_size=60).map(sorted)
SCALES = st.floats(0.001, 40)


@given(TIMES, SCALES)
def test_their_number_is_scaled_and_they_ascend(times_ms: list[int], scale: float) -> None:
    found = list(scaled(times_ms, scale))
    assert len(found) == round(len(times_ms) * scale)
    assert all(a <= b for a, b in pairwise(found))
    assert not found or found[0] >= times_ms[0]


@given(TIMES, SCALES, st.data())
def test_the_curve_keeps_its_shape(times_ms: list[int], scale: float, data: st.DataObject) -> None:
    """Between any two recorded times there are scale times as many, within 1."""
    assume(times_ms)
    found = list(scaled(times_ms, scale))
    times = st.sampled_from([*times_ms, 1_000_000])
    start_ms, end_ms = sorted((data.draw(times), data.draw(times)))
    recorded, copies = (
        bisect_left(moments, end_ms) - bisect_left(moments, start_ms)
        for moments in (times_ms, found)
    )
    assert abs(copies - recorded * scale) <= 1


@given(TIMES)
def test_a_scale_of_one_changes_nothing_by_the_formula_either(times_ms: list[int]) -> None:
    assert list(scaled(times_ms, 1.0)) == times_ms
    nearly = list(scaled(times_ms, 1 + 1e-12))
    assert nearly == times_ms


@given(TIMES, st.floats(0.001, 1))
def test_fewer_are_some_of_the_recorded_ones(times_ms: list[int], scale: float) -> None:
    assert set(scaled(times_ms, scale)) <= set(times_ms)


@given(TIMES, SCALES, st.integers(1, 5))
def test_workers_share_them(times_ms: list[int], scale: float, workers: int) -> None:
    times_s = tuple(ms / 1000 for ms in scaled(times_ms, scale))
    stages = (Stage("recorded", 0, 200, recorded=(RecordedArrivals("buy", times_s),)),)
    parts = [list(arrivals(stages, 1, worker=n, workers=workers)) for n in range(workers)]
    together = sorted((a for part in parts for a in part), key=lambda a: a.index)
    assert [a.due_s for a in together] == list(times_s)


def test_copies_are_spread_to_the_next_arrival_and_a_burst_stays_one() -> None:
    assert list(scaled([0, 100, 100, 300], 2)) == [0, 50, 100, 100, 100, 200, 300, 350]
    assert list(scaled([7], 3)) == [7, 7, 7]


def test_none_that_is_added_comes_after_the_end() -> None:
    assert list(scaled([0, 1000], 4)) == [0, 250, 500, 750, 1000, 1250, 1500, 1750]
    assert list(scaled([0, 1000], 4, 1400)) == [0, 250, 500, 750, 1000, 1100, 1200, 1300]


def test_journeys_are_scaled_as_a_whole_with_speed() -> None:
    """Three labels of one arrival each are three arrivals of their journey, not three times none."""
    rare = {name: array("q", [ms]) for name, ms in (("a", 0), ("b", 10), ("c", 20))}
    model = MODEL.__class__("x", 3, MODEL.first_at, 0.02, rare, {"*": "browse"})
    assert model.recorded(scale=1 / 3) == (RecordedArrivals("browse", (0.01,)),)
    assert model.recorded(scale=2, speed=10) == (
        RecordedArrivals("browse", (0.0, 0.0005, 0.001, 0.0015, 0.002, 0.0025)),
    )


def test_in_a_scenario_with_a_window_and_from_the_command_line(tmp_path: Path) -> None:
    section = "traffic: {file: traffic.yaml, from: 500ms, until: 2s, speed: 2}\n"
    (stage,) = scenario(tmp_path, section, "traffic.scale=3").stages
    assert stage.recorded == (
        RecordedArrivals("browse", tuple(pytest.approx(n / 12) for n in range(6))),
        RecordedArrivals("order", (0.0, 0.0, 0.0)),
    )


def test_a_journey_that_is_lost_is_named(tmp_path: Path) -> None:
    thin = scenario(tmp_path, "traffic: {file: traffic.yaml, scale: 0.4}\n")
    assert [len(r.times_s) for r in thin.stages[0].recorded] == [2, 0]
    (words,) = lost_journeys(thin)
    assert "`order` is recorded, and traffic.scale leaves none" in words
    assert words in list(suspicions(thin))
    whole = scenario(tmp_path, "traffic: {file: traffic.yaml, scale: 0.6}\n")
    assert list(lost_journeys(whole)) == []


def test_a_run_says_so_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_traffic(MODEL, tmp_path / "traffic.yaml")
    journal(Path(".flashdrill"), {"full": ballast(tmp_path)[1]})  # so that it goes no further
    options = ["--no-chaos", "--set", "traffic.file=traffic.yaml", "--set", "traffic.scale=0.4"]
    assert invoke(["run", str(RECORDED), *options]) == 4
    assert "warning: the journey `order` is recorded" in capsys.readouterr().err


def test_plain_locust_says_so_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    thin = scenario(tmp_path, "traffic: {file: traffic.yaml, scale: 0.4}\n")
    told = {"FLASHDRILL_SCENARIO": str(thin.path), "FLASHDRILL_BACKEND_URL": "http://127.0.0.1:9"}
    secret = tmp_path / "secret"
    secret.write_text("of-the-test\n")
    orders_from({**told, "FLASHDRILL_HMAC_SECRET_FILE": str(secret)})
    assert "`order` is recorded" in caplog.text


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("scale: 0.01", ":8: traffic.scale: nobody is left of 5 arrivals"),
        ("scale: 0", ":8: traffic.scale: 0 is out of range"),
        ("scale: twice", ":8: traffic.scale: expected a number"),
    ],
)
def test_a_scale_that_cannot_be(tmp_path: Path, section: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        scenario(tmp_path, f"traffic: {{file: traffic.yaml, {section}}}\n")
    assert says in str(error.value)


def test_more_than_a_run_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashdrill.plan.recording.MOST_ARRIVALS", 10)
    with pytest.raises(ConfigError, match="15 arrivals are more than 10"):
        scenario(tmp_path, "traffic: {file: traffic.yaml, scale: 3}\n")
    scenario(tmp_path, "traffic: {file: traffic.yaml, scale: 2}\n")
