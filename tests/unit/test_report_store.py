"""A kept result comes back whole; a file that cannot be read says what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.result import RunResult
from flashdrill.report.runs import find_run
from flashdrill.report.store import NAME, is_run, read_result, write_result
from tests.unit.test_report import sample


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The kept file with its document changed."""
    path = folder / NAME
    document = json.loads(gzip.decompress(path.read_bytes()))
    change(document)
    path.write_bytes(gzip.compress(json.dumps(document).encode()))


def test_a_result_comes_back_whole(tmp_path: Path) -> None:
    write_result(sample(), tmp_path)
    found = read_result(tmp_path)
    assert isinstance(found, RunResult)
    assert found == sample()
    before = (tmp_path / NAME).read_bytes()
    write_result(sample(), tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_file_from_before_a_field_with_a_default_can_be_read(tmp_path: Path) -> None:
    write_result(sample(), tmp_path)

    def older(document: dict[str, Any]) -> None:
        for key in ("errors", "slowest", "events"):
            del document["result"][key]
        for fault in document["result"]["faults"]:
            del fault["impact"]

    changed(tmp_path, older)
    found = read_result(tmp_path)
    assert found.errors == found.slowest == found.events == ()
    assert [fault.impact for fault in found.faults] == [None, None]
    assert found.gates == sample().gates


def test_a_file_with_a_field_that_came_later_can_be_read(tmp_path: Path) -> None:
    write_result(sample(), tmp_path)
    changed(tmp_path, lambda document: document["result"].update(colour="blue"))
    assert read_result(tmp_path) == sample()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["result"].pop("seed"), "damaged: Object missing required field `seed`"),
        (lambda d: d["result"].update(seed="seven"), "damaged: Expected `int`"),
        (lambda d: d.pop("result"), "damaged"),
        (lambda d: d.pop("format"), "damaged"),
        (lambda d: d.update(format="flashdrill-result/9", flashdrill="9.1"), "flashdrill 9.1"),
    ],
)
def test_another_document_is_refused_with_a_remedy(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    write_result(sample(), tmp_path)
    (tmp_path / "command.txt").write_text("flashdrill run scenarios/mine.yaml\n")
    changed(tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        read_result(tmp_path)
    assert said in str(caught.value)
    assert NAME in str(caught.value)
    assert "repeat the run: flashdrill run scenarios/mine.yaml" in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 100, -9])
def test_a_torn_file_is_refused(tmp_path: Path, cut: int) -> None:
    write_result(sample(), tmp_path)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ConfigError, match="damaged"):
        read_result(tmp_path)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    write_result(sample(), tmp_path)
    path = tmp_path / NAME
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        read_result(tmp_path)


def test_what_is_not_there_is_told_apart(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        read_result(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    assert is_run(tmp_path)
    with pytest.raises(ConfigError, match="an older flashdrill wrote it"):
        read_result(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Four runs; the newest has not come to its end."""
    for name in ("20260101T1-smoke", "20260102T1-sale", "20260102T2-sale", "20260103T1-smoke"):
        (tmp_path / name).mkdir()
        if not name.startswith("20260103"):
            (tmp_path / name / "summary.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("latest", "20260102T2-sale"),
        ("previous", "20260102T1-sale"),
        ("20260101", "20260101T1-smoke"),
        ("20260102T1-sale", "20260102T1-sale"),
    ],
)
def test_runs_are_found_by_word_and_by_name(shelf: Path, word: str, found: str) -> None:
    assert find_run(word, shelf) == shelf / found


def test_runs_are_found_by_path(shelf: Path, tmp_path: Path) -> None:
    path = shelf / "20260101T1-smoke"
    assert find_run(str(path), tmp_path / "elsewhere") == path


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("20260102", "2 runs begin with '20260102': 20260102T2-sale, 20260102T1-sale"),
        ("20260103", "no run '20260103'"),
        ("nothing", "there are 20260102T2-sale, 20260102T1-sale, 20260101T1-smoke"),
        ("", "3 runs begin with ''"),
    ],
)
def test_a_word_that_means_no_one_run_is_refused(shelf: Path, word: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_run(word, shelf)
    assert said in str(caught.value)


def test_no_runs_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has none that came to an end"):
        find_run("latest", tmp_path / "runs")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "summary.json").write_text("{}")
    with pytest.raises(ConfigError, match="has 1 that came to an end"):
        find_run("previous", tmp_path)
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        find_run(str(tmp_path), tmp_path)
