"""Samples in memory and on disk, and what counters grew by."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.observe.samples import SAMPLES_SCHEMA, Sample, SampleTable

S = 1_000_000_000


def counter(
    *values: tuple[float, float], table: SampleTable | None = None, **labels: str
) -> SampleTable:
    """A counter `n` with (seconds, value)."""
    table = table or SampleTable()
    for t_s, value in values:
        table.add(round(t_s * S), "backend", [Sample("n", value, labels)])
    return table


def test_growth_between_samples() -> None:
    table = counter((0, 10), (1, 14), (2, 20))
    assert table.delta("n", 0, 2 * S) == 10
    assert table.delta("n", 1 * S, 2 * S) == 6
    assert table.delta("n", S // 2, 2 * S) == pytest.approx(8)


def test_nothing_is_assumed_outside_the_samples() -> None:
    table = counter((1, 10), (2, 14))
    assert table.delta("n", 0, 100 * S) == 4
    assert table.delta("n", 50 * S, 100 * S) == 0


def test_a_restart_counts_from_zero() -> None:
    table = counter((0, 100), (1, 110), (2, 3), (3, 8))
    assert table.delta("n", 0, 3 * S) == 18
    assert table.delta("n", 2 * S, 3 * S) == 5


def test_a_restart_that_is_missed_is_not_a_loss() -> None:
    assert counter((0, 100), (1, 100)).delta("n", 0, S) == 0


def test_unknown_is_not_zero() -> None:
    assert counter((0, 1)).delta("n", 0, S) is None
    assert SampleTable().delta("n", 0, S) is None


def test_labels_narrow_and_sum() -> None:
    table = counter((0, 0), (1, 5), shard="0")
    counter((0, 0), (1, 7), table=table, shard="1")
    assert table.delta("n", 0, S) == 12
    assert table.delta("n", 0, S, shard="1") == 7
    assert table.delta("n", 0, S, shard="2") is None
    assert table.series("n", shard="0") == [(0, 0.0), (S, 5.0)]
    assert len(table.series("n")) == 4


def test_gaps_are_rows_too() -> None:
    table = counter((0, 1), (2, 2))
    table.add_gap(S, "backend", "ConnectionError: refused")
    table.add_gap(S, "redis", "TimeoutError: ")
    assert table.gaps() == {
        "backend": [(S, "ConnectionError: refused")],
        "redis": [(S, "TimeoutError: ")],
    }
    assert table.metrics() == ["n"]


def test_there_and_back(tmp_path: Path) -> None:
    table = counter((0, 1), (1, 2.5), shard="0", kind="a")
    table.add_gap(S, "redis", "gone")
    path = tmp_path / "resources.parquet"
    table.write(path)
    again = SampleTable.read(path)
    assert sorted(again, key=repr) == sorted(table, key=repr)
    assert again.table().schema == SAMPLES_SCHEMA
    assert again.delta("n", 0, S, kind="a") == 1.5


def test_an_empty_table_can_be_written(tmp_path: Path) -> None:
    SampleTable().write(tmp_path / "empty.parquet")
    assert len(SampleTable.read(tmp_path / "empty.parquet")) == 0


def test_the_newest_value_of_each_series() -> None:
    table = counter((0, 1), (2, 5), shard="a")
    counter((1, 7), table=table, shard="b")
    newest = {sample.labels["shard"]: sample for sample in table.newest("n")}
    assert {shard: (s.value, s.t_mono_ns) for shard, s in newest.items()} == {
        "a": (5, 2 * S),
        "b": (7, 1 * S),
    }
    assert not list(table.newest("m"))
