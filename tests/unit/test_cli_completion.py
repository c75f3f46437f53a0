"""The completion scripts are scripts, and what they ask is answered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke

CHECKS = {"bash": ("bash", "-n"), "zsh": ("zsh", "-n"), "fish": ("fish", "--no-execute")}
PROGRAM = "from flashdrill.cli.main import entry; entry()"


@pytest.mark.parametrize("shell", sorted(CHECKS))
def test_the_script_is_one_of_that_shell(
    tmp_path: Path, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_FLASHDRILL_COMPLETE" in script
    assert f"{shell}_complete" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here to read it")
    path = tmp_path / "script"
    path.write_text(script)
    answer = subprocess.run(
        [*CHECKS[shell], str(path)], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of" in capsys.readouterr().err


def asked(folder: Path, line: str) -> list[str]:
    """What the program answers when bash asks for the last word of a line."""
    environ = {
        **os.environ,
        "_FLASHDRILL_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr == ""
    return answer.stdout.split()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few files to complete."""
    folder = tmp_path_factory.mktemp("here")
    for name in (
        "scenarios/smoke.yaml",
        "scenarios/incidents/small.yaml",
        "chaos/plans/night.yaml",
        "reports/runs/20260127T1-smoke/summary.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("flashdrill co", ["plain,compare", "plain,completion"]),
        ("flashdrill run sm", ["plain,scenarios/incidents/small.yaml", "plain,scenarios/smoke.yaml"]),
        ("flashdrill run scenarios/sm", ["plain,scenarios/smoke.yaml"]),
        ("flashdrill run elsewhere/", ["file,elsewhere/"]),
        ("flashdrill run a.yaml --chaos ", ["plain,chaos/plans/night.yaml"]),
        ("flashdrill validate ni", ["plain,chaos/plans/night.yaml"]),
        ("flashdrill report ", ["plain,latest", "plain,previous", "plain,20260127T1-smoke"]),
        ("flashdrill compare latest 2026", ["plain,20260127T1-smoke"]),
        ("flashdrill show pre", ["plain,previous"]),
        ("flashdrill schema s", ["plain,scenario", "plain,summary"]),
        ("flashdrill report --format j", ["plain,json", "plain,junit"]),
        ("flashdrill nothing", []),
    ],
)  # fmt: skip
def test_requests_are_answered(here: Path, line: str, answer: list[str]) -> None:
    assert asked(here, line) == answer
