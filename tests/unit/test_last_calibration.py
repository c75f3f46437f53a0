"""The last calibration: kept, read back, and held against a scenario's peak."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.model.calibration import Calibration
from flashdrill.model.scenario import Limits
from flashdrill.rehearsal.last_calibration import FILE, doubt, keep, last
from tests.unit.planning import small_scenario, write_scenario

AT = datetime(2026, 1, 27, 12, tzinfo=UTC)
SLOW = Calibration(100.0, 90.0, 0.95, 150, 1.5)
FAST = Calibration(5000.0, 90.0, 0.95, 7500, 1.5)


def test_a_peak_beyond_it_is_doubted_and_one_within_is_not(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path)  # 170 arrivals a second at most
    keep(tmp_path / "state", SLOW, AT)
    said = doubt(scenario, last(tmp_path / "state"))
    assert "its peak of 170 arrivals a second is beyond the 100 operations a second" in said
    assert "2026-01-27T12:00:00+00:00" in said
    two = replace(scenario, limits=Limits(workers=2))
    assert doubt(two, last(tmp_path / "state")) == ""
    keep(tmp_path / "state", FAST, AT)
    assert doubt(scenario, last(tmp_path / "state")) == ""


def test_none_or_a_damaged_one_is_no_reason_to_doubt(tmp_path: Path) -> None:
    assert last(tmp_path) is None
    (tmp_path / FILE).write_text("{")
    assert last(tmp_path) is None
    assert doubt(small_scenario(tmp_path), None) == ""


def test_validate_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_scenario(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert invoke(["validate", str(path)]) == 0
    assert "operations a second" not in capsys.readouterr().err
    keep(tmp_path / ".flashdrill", SLOW, AT)
    assert invoke(["validate", str(path)]) == 0
    assert "warning: its peak of 170 arrivals a second is beyond the 100" in capsys.readouterr().err
