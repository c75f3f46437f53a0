"""`flashdrill init`: files that can be used as they are, and nothing that was there is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.plan.scenario import load_scenario

FILES = ("scenarios/first.yaml", "scenarios/first.requests.yaml", "chaos/plans/first.yaml")


def test_what_it_writes_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["init", str(tmp_path), "--target", "http://10.1.2.3:8080/"]) == 0
    said = capsys.readouterr().out
    for name in FILES:
        assert f"written: {tmp_path / name}" in said
    paths = [str(tmp_path / name) for name in ("scenarios", "chaos/plans")]
    assert invoke(["validate", *paths]) == 0
    scenario = load_scenario(tmp_path / "scenarios/first.yaml")
    service = scenario.service
    assert service is not None
    assert scenario.hosts == ("10.1.2.3",)
    assert service.url == "http://10.1.2.3:8080"


def test_what_comes_next_is_said_from_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["init"]) == 0
    assert "next:\n  flashdrill validate scenarios chaos/plans\n" in capsys.readouterr().out
    (tmp_path / "my shop").mkdir()
    for more in ([], ["--reference"]):
        assert invoke(["init", "my shop", *more]) == 0
        said = capsys.readouterr().out
        assert "next:\n  cd 'my shop'\n  flashdrill validate scenarios chaos/plans\n" in said


def test_what_its_comments_offer_can_be_taken(tmp_path: Path) -> None:
    invoke(["init", str(tmp_path)])
    path = tmp_path / "scenarios/first.yaml"
    text = path.read_text()
    for line in (
        "health:",
        "metrics:",
        "processes:",
        "reads:",
        "  dsn:",
        "  settle:",
        "  orders:",
        "  stock:",
    ):
        assert f"  # {line}" in text
        text = text.replace(f"  # {line}", f"  {line}", 1)
    text = text.replace("{visit: {from: 5/s, to: 20/s}}", "{visit: 20/s, buyer: 10/s}")
    path.write_text(text)
    service = load_scenario(path).service
    assert service is not None
    assert set(service.reads) == {"orders", "stock"}


def test_its_plan_is_checked_with_the_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is adopted is known only in a run; what is not adopted cannot be a target of one's own service."""
    invoke(["init", str(tmp_path)])
    scenario, plan = tmp_path / FILES[0], tmp_path / FILES[2]
    scenario.write_text(f"chaos: [../chaos/plans/first.yaml]\n{scenario.read_text()}")
    assert invoke(["validate", str(scenario)]) == 0
    plan.write_text(plan.read_text().replace("adopted/db", "shard1"))
    assert invoke(["validate", str(scenario)]) == 2
    assert "a service of your own has no targets but" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / FILES[0]).write_text("mine")
    assert invoke(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"left as it is: {tmp_path / FILES[0]}" in said
    assert f"written: {tmp_path / FILES[1]}" in said
    assert (tmp_path / FILES[0]).read_text() == "mine"


def test_a_file_in_the_place_of_a_folder_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenarios").write_text("mine")
    assert invoke(["init", str(tmp_path)]) == 2
    assert "flashdrill: " in capsys.readouterr().err


def test_the_reference_is_copied_and_good(tmp_path: Path) -> None:
    assert invoke(["init", str(tmp_path), "--reference"]) == 0
    assert (tmp_path / "scenarios/smoke.yaml").is_file()
    assert (tmp_path / "chaos/faults/stuck_job.py").is_file()
    assert invoke(["validate", str(tmp_path / "scenarios/smoke.yaml")]) == 0
    assert invoke(["init", "--reference", "--target", "http://127.0.0.1:1"]) == 2
    for port in ("99999", "abc", "0"):
        assert invoke(["init", str(tmp_path), "--target", f"http://127.0.0.1:{port}"]) == 2
