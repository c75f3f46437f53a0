"""Arrivals in a traffic model: in the file, beside it, or as a curve; each read back as it was written."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.model.traffic import Sessions, TrafficModel
from flashdrill.plan.arrivals import on_a_curve, spread
from flashdrill.plan.traffic import read_traffic, write_traffic

MODEL = TrafficModel(
    source="results.jtl",
    rows=6,
    first_at="2018-07-23T20:09:18.104Z",
    duration_s=2.5,
    offsets_ms={"A": array("q", [0, 999, 1000, 2500]), "B: odd\n": array("q", [500, 500])},
    operations={"*": "browse"},
    sessions=Sessions({1: 3, 40: 1}, 1.5),
)


def test_many_arrivals_are_kept_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashdrill.plan.arrivals.MOST_INLINE", 5)
    path = tmp_path / "traffic.yaml"
    write_traffic(MODEL, path)
    assert "arrivals_file: traffic.arrivals.parquet" in path.read_text()
    assert read_traffic(path) == MODEL
    beside = tmp_path / "traffic.arrivals.parquet"
    beside.write_bytes(beside.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="not a file of arrivals"):
        read_traffic(path)
    beside.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        read_traffic(path)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([0, 2500, 999, 1000], "the times of 'A' must ascend from 0"),
        ([-1, 999, 1000, 2500], "the times of 'A' must ascend from 0"),
        ([0, 999, 1000, None], "not a file of arrivals"),
        (["0", "soon", "2", "3"], "not a file of arrivals"),
        ([], "there are no arrivals in it"),
    ],
)
def test_a_parquet_file_that_somebody_else_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: list[object], says: str
) -> None:
    monkeypatch.setattr("flashdrill.plan.arrivals.MOST_INLINE", 1)
    model = replace(MODEL, rows=4, offsets_ms={"A": MODEL.offsets_ms["A"]}, sessions=None)
    write_traffic(model, tmp_path / "traffic.yaml")
    beside = tmp_path / "traffic.arrivals.parquet"
    pq.write_table(pa.table({"label": ["A"] * len(times), "at_ms": times}), beside)
    with pytest.raises(ConfigError, match=says):
        read_traffic(tmp_path / "traffic.yaml")
    good = pa.array([0, 999, 1000, 2500], pa.int32())
    pq.write_table(pa.table({"at_ms": good, "label": ["A"] * 4}), beside)
    assert read_traffic(tmp_path / "traffic.yaml") == model


def test_arrivals_of_another_import_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashdrill.plan.arrivals.MOST_INLINE", 5)
    other = replace(MODEL, offsets_ms={**MODEL.offsets_ms, "A": array("q", [0, 2500])}, rows=4)
    write_traffic(MODEL, tmp_path / "traffic.yaml")
    kept = (tmp_path / "traffic.yaml").read_text()
    monkeypatch.setattr("flashdrill.plan.arrivals.MOST_INLINE", 3)
    write_traffic(other, tmp_path / "traffic.yaml")
    (tmp_path / "traffic.yaml").write_text(kept)
    with pytest.raises(ConfigError, match="rows says 6, but there are 4 arrivals"):
        read_traffic(tmp_path / "traffic.yaml")


def test_a_curve_keeps_how_many_came_in_each_step(tmp_path: Path) -> None:
    curve = on_a_curve(MODEL, 1.0)
    assert curve.offsets_ms["A"] == array("d", [250.0, 750.0, 1500.0, 2500.0])
    assert curve.offsets_ms["B: odd\n"] == array("d", [250.0, 750.0])
    path = tmp_path / "traffic.yaml"
    write_traffic(curve, path)
    assert "A: [2, 1, 1]" in path.read_text()
    assert read_traffic(path) == curve


def test_a_curve_may_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "traffic.yaml"
    write_traffic(on_a_curve(MODEL, 1.0), path)
    path.write_text(path.read_text().replace("A: [2, 1, 1]", "A: [2, 10, 1, 0, 4]"))
    model = read_traffic(path)
    assert model.rows == 2 + 10 + 1 + 4 + 2
    assert model.offsets_ms["A"][-1] == 4875.0


@given(
    st.lists(st.integers(0, 100_000), min_size=1),
    st.sampled_from([0.001, 0.1, 1.0, 7.3, 60.0]),
)
def test_every_step_of_a_curve_has_as_many_as_came(times: list[int], step_s: float) -> None:
    model = replace(MODEL, offsets_ms={"A": array("q", sorted(times))}, rows=len(times))
    curve = on_a_curve(replace(model, duration_s=max(times) / 1000), step_s)
    step_ms = step_s * 1000
    assert Counter(ms // step_ms for ms in curve.offsets_ms["A"]) == Counter(
        ms // step_ms for ms in times
    )
    assert list(curve.offsets_ms["A"]) == sorted(curve.offsets_ms["A"])


def test_a_step_is_filled_evenly() -> None:
    assert spread([4, 0, 1], 1000) == array("d", [125, 375, 625, 875, 2500])


def test_a_curve_of_too_many_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"2\.5 s are over 1000000 steps of 1e-06 s"):
        on_a_curve(MODEL, 0.000001)


ARRIVALS = re.compile(r"arrivals_ms:.*", re.DOTALL)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (r"arrivals_ms:", "curve: {step: 1s, counts: {A: [1]}}\narrivals_ms:", ":3: a traffic model has one of"),
        (ARRIVALS, "", "found none of them"),
        (r"  A: 4", "  A: 3", ":12: mix: mix says 3 of 'A', but there are 4"),
        (r"1: 3", "x: 3", "'x' is not a number of requests"),
        (ARRIVALS, "curve: {step: 0s, counts: {A: [1]}}", "a step takes longer than nothing"),
        (ARRIVALS, "arrivals_ms: {}", "arrivals_ms: there are no arrivals in it"),
        (ARRIVALS, "curve: {step: 1s, counts: {A: [0]}}", "nobody comes in any step"),
    ],
)  # fmt: skip
def test_a_wrong_model_is_refused(
    tmp_path: Path, old: str | re.Pattern[str], new: str, says: str
) -> None:
    path = tmp_path / "traffic.yaml"
    write_traffic(MODEL, path)
    text, times = re.subn(old, new, path.read_text())
    assert times == 1
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_traffic(path)
    assert says in str(error.value)
