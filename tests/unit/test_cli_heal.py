"""`flashdrill heal`, and the run that is refused until it was called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flashdrill.cli.main import invoke
from flashdrill.model.journal import Journal, unhealed
from flashdrill.model.processes import identity

DSN = "postgresql://me:s3cret@127.0.0.1:1/shop"
SQL = {"type": "sql", "dsn": DSN, "statements": ["SELECT pg_reload_conf()"]}
GONE = {**identity(os.getpid()), "boot": "before the power cut"}


def journal(state: Path, faults: dict[str, dict[str, Any]], *, guardian: Any = None) -> Path:
    written = Journal(state / "journals" / "night.jsonl")
    if guardian:
        written.on_stack(guardian)
    for fault, undo in faults.items():
        written.injecting(fault, undo)
    written.close()
    return written.path


def ballast(folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "ballast"
    path.write_text("x")
    return path, {"type": "file_gone", "path": str(path)}


def heal(state: Path, *options: str) -> int:
    return invoke(["heal", "--state", str(state), *options])


def test_nothing_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert heal(tmp_path) == 0
    assert capsys.readouterr().out == "nothing is left to heal\n"


def test_each_fault_is_shown_and_healed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, undo = ballast(tmp_path)
    path = journal(tmp_path, {"full": undo})
    assert heal(tmp_path) == 0
    said = capsys.readouterr().out
    assert f"full: remove {file}" in said
    assert "full: healed" in said
    assert not file.exists()
    assert not unhealed(path)


def test_a_dry_run_does_nothing_and_says_that_something_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, undo = ballast(tmp_path)
    path = journal(tmp_path, {"full": undo, "locked": SQL})
    assert heal(tmp_path, "--dry-run") == 4
    said = capsys.readouterr().out
    assert f"full: remove {file}" in said
    assert "locked: at postgresql://me:***@127.0.0.1:1/shop: SELECT pg_reload_conf()" in said
    assert "s3cret" not in said
    assert file.exists()
    assert len(unhealed(path)) == 2


def test_what_is_left_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashdrill.cli.healing.LIMIT_S", 0.5)
    file, undo = ballast(tmp_path)
    path = journal(tmp_path, {"full": undo, "locked": SQL})
    assert heal(tmp_path) == 4
    said = capsys.readouterr().out
    assert "full: healed" in said
    assert "locked: NOT HEALED, postgresql://me:***@127.0.0.1:1/shop: cannot be reached" in said
    assert "run flashdrill heal again" in said
    assert not file.exists()
    assert [fault for fault, _ in unhealed(path)] == ["locked"]


def test_after_a_power_cut_the_servers_of_the_stack_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = journal(tmp_path, {"locked": SQL}, guardian=GONE)
    assert heal(tmp_path) == 0
    assert "whose stack is gone" in capsys.readouterr().out
    assert not unhealed(path)


def test_forgetting_says_what_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, undo = ballast(tmp_path)
    path = journal(tmp_path, {"full": undo})
    assert heal(tmp_path, "--forget", "--dry-run") == 2
    assert path.exists()
    assert heal(tmp_path, "--forget") == 0
    said = capsys.readouterr().out
    assert f"full: remove {file}" in said
    assert "stays in force" in said
    assert file.exists()
    assert not path.exists()


def test_a_run_under_way_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, undo = ballast(tmp_path)
    path = journal(tmp_path, {"full": undo})
    living = Journal(path, holds=True)
    for option in ((), ("--forget",)):
        assert heal(tmp_path, *option) == 0
        assert "under way" in capsys.readouterr().out
    living.close()
    assert file.exists()
    assert unhealed(path)


def test_a_run_over_what_is_left_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Path("scenarios/smoke.yaml").absolute()
    monkeypatch.chdir(tmp_path)
    _, undo = ballast(tmp_path)
    path = journal(Path(".flashdrill"), {"full": undo})
    assert invoke(["run", str(scenario), "--no-chaos"]) == 4
    said = capsys.readouterr().err
    assert f"{path}: full" in said
    assert "remedy: flashdrill heal\n" in said
    assert not Path("reports").exists()
