"""A user's mistake: a message with file and line, exit code 2, and nothing was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from tests.rehearsal.running import ROOT, SMOKE

PLAN = ROOT / "chaos" / "plans" / "smoke.yaml"


def changed(tmp_path: Path, source: Path, old: str, new: str) -> tuple[Path, int]:
    """A copy of the file with one change, and the line that it is on."""
    text = source.read_text()
    assert old in text, old
    text = text.replace("../", f"{ROOT}/").replace("locustfile: ", f"locustfile: {ROOT}/scenarios/")
    path = tmp_path / source.name
    changed_text = text.replace(old, new, 1)
    path.write_text(changed_text)
    line = next(
        n for n, text in enumerate(changed_text.splitlines(), 1) if new.splitlines()[0] in text
    )
    return path, line


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: ", "sede: ", "sede"),
        ("name: rush", "name: rush, duratoin: 3s", "duratoin"),
        ("duration: 9s", "duration: 9 parsecs", "parsecs"),
    ],
)
def test_a_wrong_scenario(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    path, line = changed(tmp_path, SMOKE, old, new)
    assert invoke(["run", str(path), "--out", str(tmp_path / "runs")]) == 2
    message = capfd.readouterr().err
    assert f"{path}:{line}:" in message
    assert says in message
    assert "Traceback" not in message
    assert not (tmp_path / "runs").exists()


def test_a_fault_on_a_target_that_does_not_exist(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, line = changed(tmp_path, PLAN, "target: shard2", "target: shard9")
    assert invoke(["run", str(SMOKE), "--chaos", str(path), "--out", str(tmp_path / "runs")]) == 2
    message = capfd.readouterr().err
    assert f"{path}:{line}:" in message
    assert "shard9" in message
    assert "shard2" in message, "it says which targets there are"
    assert not (tmp_path / "runs").exists()


def test_an_unknown_setting_of_the_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        invoke(["run", str(SMOKE), "--set", "stages.rush=3s", "--out", str(tmp_path / "runs")]) == 2
    )
    assert "stages.rush" in capfd.readouterr().err
    assert invoke(["run", str(SMOKE), "--no-such-option"]) == 2


def test_a_setting_that_the_backend_does_not_know(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for change, says in (("backend.nonsense=1", "nonsense"), ("backend.defect=typo", "defect")):
        assert invoke(["run", str(SMOKE), "--set", change, "--out", str(tmp_path / "runs")]) == 2
        assert says in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_missing_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capfd.readouterr().err


AWAY = "service: {url: 'http://10.0.0.7:8080'}"
"""Nothing is sent there, and an address is not looked up: these runs are over before."""


@pytest.mark.parametrize(
    ("listed", "options", "says"),
    [
        ("", (), "hosts: [10.0.0.7]"),
        ("", ("--yes",), "hosts: [10.0.0.7]"),
        ("hosts: [shop.example.com]\n", ("--yes",), "hosts: [shop.example.com, 10.0.0.7]"),
        ("hosts: [10.0.0.7]\n", (), "--yes was not given"),
        ("hosts: [10.0.0.7]\n", ("--yes", "--rate-max", "50/s"), "and the cap is 50/s"),
    ],
)
def test_a_host_beyond_this_machine(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    listed: str,
    options: tuple[str, ...],
    says: str,
) -> None:
    text = SMOKE.read_text().replace("locustfile: ", f"locustfile: {ROOT}/scenarios/")
    for key in ("time_scale", "chaos", "  - ../", "backend", "  pool", "  level", "  breaker"):
        text = "\n".join(line for line in text.splitlines() if not line.startswith(key))
    path = tmp_path / "away.yaml"
    path.write_text(f"{text}\n{AWAY}\n{listed}")
    arguments = ["run", str(path), "--out", str(tmp_path / "runs"), *options]
    assert invoke(arguments) == 2
    assert says in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()
