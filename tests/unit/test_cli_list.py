"""`flashdrill list` names what is there; what is broken is named too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.catalogue import catalogue
from flashdrill.chaos.latency import Latency
from flashdrill.cli.main import invoke
from tests.unit.planning import write_scenario

PLAN = """\
name: night
description: A shard is slow
faults:
  - {id: slow, kind: latency, target: shard1, at: rush + 4s, for: 2s, latency: 100ms}
"""
OWN = '''\
from flashdrill.chaos.pause import Pause

class Nap(Pause):
    """Sends the service
    to sleep.

    Seen when it snores.
    """

    kind = "nap"
'''
SUMMARY = {
    "verdict": "fail",
    "scenario": {"name": "small"},
    "duration_s": 60.2,
    "started_at": "2026-01-27T12:00:01.5Z",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of everything."""
    monkeypatch.chdir(tmp_path)
    for name in ("scenarios", "chaos/plans", "chaos/faults", "reports/runs/20260127T1-small"):
        (tmp_path / name).mkdir(parents=True)
    write_scenario(tmp_path / "scenarios")
    (tmp_path / "chaos/plans/night.yaml").write_text(PLAN)
    (tmp_path / "chaos/faults/nap.py").write_text(OWN)
    (tmp_path / "reports/runs/20260127T1-small/summary.json").write_text(json.dumps(SUMMARY))
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert invoke(["list", *words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_everything_in_tables(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["list"]) == 0
    text = capsys.readouterr().out
    for wanted in (
        "scenarios/small.yaml",
        "60 s",
        "170/s",
        "A shard is slow",
        "slow: latency on shard1",
        "nap (own)",
        "Sends the service to sleep.",
        "FAIL",
        "2026-01-27 12:00",
        "shard0 (postgres, process, tcp)",
    ):
        assert wanted in text
    assert "\x1b" not in text


def test_a_scenario_says_its_length_its_peak_and_its_gates(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scenario,) = listed(capsys, "scenarios")
    assert scenario["duration_s"] == 60
    assert scenario["peak_per_s"] == 170, "600/min and a ramp to 160/s"
    assert scenario["gates"] == ["p99(place_order) < 800ms during rush", "recovery < 30s"]


def test_every_kind_of_fault_says_what_it_does_to_what(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {fault["kind"]: fault for fault in listed(capsys, "faults")}
    assert set(found) == {*catalogue(), "nap"}
    assert all(fault["description"] and fault["targets"] for fault in found.values())
    parameters = {p["name"]: p for p in found["latency"]["parameters"]}
    assert parameters["latency"]["default"] is None
    assert parameters["jitter"]["default"] == "0s"
    assert parameters["toxicity"]["default"] == "100%"
    assert found["nap"]["is_own"]
    assert {"backend", "redis", "shard0"} <= set(found["nap"]["targets"])
    assert "payment" not in found["nap"]["targets"], "a way to the backend, no process"


def test_what_this_machine_lacks_for_a_fault_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Latency, "missing", classmethod(lambda _kind: "a wand: apt install wand"))
    found = {fault["kind"]: fault["unavailable"] for fault in listed(capsys, "faults")}
    assert found["latency"] == "a wand: apt install wand"
    assert found["bandwidth"] == ""
    assert invoke(["list", "faults"]) == 0
    assert capsys.readouterr().out.count("not here: a wand") == 1


def test_runs_are_listed_newest_first_with_those_that_did_not_end(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "reports/runs/20260128T1-small").mkdir()
    broken = here / "reports/runs/20260126T1-small"
    broken.mkdir()
    (broken / "summary.json").write_text('{"verdict": "pass"}')
    found = listed(capsys, "runs")
    assert [(run["name"][:8], run["verdict"]) for run in found] == [
        ("20260128", ""),
        ("20260127", "fail"),
        ("20260126", ""),
    ]
    assert "damaged" in found[2]["error"]
    assert invoke(["list", "runs"]) == 0
    assert "not ended" in capsys.readouterr().out


def test_a_list_of_everything_has_the_newest_runs_only(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        (here / f"reports/runs/20260201T{number:02}-small").mkdir()
    assert invoke(["list"]) == 0
    text = capsys.readouterr().out
    assert "and 3 more: flashdrill list runs" in text
    assert "20260127T1-small" not in text
    assert invoke(["list", "runs"]) == 0
    assert "20260127T1-small" in capsys.readouterr().out


def test_what_is_broken_is_listed_with_its_error(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "scenarios/torn.yaml").write_text("name: [")
    (here / "scenarios/small.yaml").write_text("name: small\nstages: 3\n")
    (here / "chaos/plans/night.yaml").write_text(PLAN.replace("latency,", "latencie,"))
    (here / "chaos/faults/nap.py").write_text("import nothing_like_it\n")
    found = listed(capsys)
    small, torn = found["scenarios"]
    assert "scenarios/small.yaml:2: stages: expected a list" in small["error"]
    assert "not valid YAML" in torn["error"]
    assert "did you mean 'latency'?" in found["plans"][0]["error"]
    assert "nap.py:1: cannot be imported" in found["faults"][-1]["error"]
    assert len(found["faults"]) == len(catalogue()) + 1
    assert invoke(["list"]) == 0
    assert "cannot be imported" in " ".join(capsys.readouterr().out.split())


def test_other_yaml_among_the_scenarios_is_left_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "scenarios/traffic.yaml").write_text("format: x\narrivals_ms: {}\n")
    (here / "scenarios/shop.requests.yaml").write_text("requests: {look: {path: /}}\n")
    (here / "scenarios/.hidden.yaml").write_text("name: [")
    assert [row["path"] for row in listed(capsys, "scenarios")] == ["scenarios/small.yaml"]


def test_nothing_found_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["list"]) == 0
    text = capsys.readouterr().out
    for place in ("scenarios/**/*.yaml", "chaos/plans/*.yaml", "reports/runs/"):
        assert f"none: looked for {place} in the current folder" in text
    assert "latency" in text, "the faults of flashdrill itself"
    assert listed(capsys, "runs") == []


def test_brackets_in_a_description_are_no_markup(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = here / "scenarios" / "small.yaml"
    text = path.read_text()
    name = next(line for line in text.splitlines() if line.startswith("name:"))
    path.write_text(text.replace(name, f"{name}\ndescription: 'Rehearse [/] the [red]sale'"))
    assert invoke(["list", "scenarios"]) == 0
    assert "[red]sale" in " ".join(capsys.readouterr().out.split())
