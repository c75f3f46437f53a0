"""docs/import.md, followed word for word: what a reader types prints what the page says."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from tests.tutorial import Command, mismatch, steps_of

PAGE = Path(__file__).parents[2] / "docs" / "import.md"


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[list[str], int]]:
    """A shell in an empty folder; flashdrill is run in this process. Gives what was printed and the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(text: str) -> tuple[list[str], int]:
        if not text.startswith("flashdrill ") or ">" in shlex.split(text):
            code = subprocess.run(["bash", "-c", text], check=False, timeout=30).returncode
        else:
            code = invoke(shlex.split(text)[1:])
        out, err = capfd.readouterr()
        return [line.rstrip() for line in (out + err).splitlines()], code

    return run


def test_the_page_is_true(typed: Callable[[str], tuple[list[str], int]]) -> None:
    last, wrong = 0, []
    for step in steps_of(PAGE.read_text(encoding="utf-8")):
        assert isinstance(step, Command)
        if step.text == "echo $?":
            found = [str(last)]
        else:
            found, last = typed(step.text)
        if why := mismatch(step.expected, found):
            wrong.append(f"line {step.line}: {step.text.splitlines()[0]}: {why}")
    assert wrong == []
