"""The installer: what it says while pip works, and what it says when that fails."""

from __future__ import annotations

import importlib.util
import sys
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install = loaded()


class Clock:
    """Time that only goes on when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(code: str, tmp_path: Path) -> str:
    """Run a step that is a Python program; what was told."""
    out = StringIO()
    with (tmp_path / "install.log").open("w+") as log:
        install.run_step("step", [sys.executable, "-c", code], log, install.Teller(out, False))
    return out.getvalue()


def test_a_step_is_told_before_it_begins_and_its_output_is_kept(tmp_path: Path) -> None:
    assert "step" in run("print('Collecting rich')", tmp_path)
    assert "Collecting rich" in (tmp_path / "install.log").read_text()


def test_pip_is_followed() -> None:
    counts = install.Counts()
    for line in ("Collecting rich>=13.9", "  Downloading rich-15.0.0-py3-none-any.whl (310 kB)"):
        counts.hear(line)
    counts.hear("Collecting click")
    counts.hear("  Using cached click-8.5.1.whl")
    assert str(counts) == "collecting click, 2 packages, 1 downloaded"
    counts.hear("Installing collected packages: click, rich")
    assert str(counts) == "unpacking, 2 packages, 1 downloaded"


def test_a_log_gets_a_line_every_few_seconds_and_no_control_characters() -> None:
    clock, out = Clock(), StringIO()
    teller = install.Teller(out, False, clock)
    teller.begin("installing")
    for tenth in range(120):
        clock.now = tenth / 10
        teller.still("installing: 3 packages")
    teller.end("installed")
    assert out.getvalue().count("\n") == 4
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_a_terminal_gets_one_line_that_changes() -> None:
    clock, out = Clock(), StringIO()
    teller = install.Teller(out, True, clock)
    teller.begin("installing")
    clock.now = 0.2
    teller.still("installing: " + "x" * 500)
    assert "\n" not in out.getvalue()
    last = out.getvalue().split("\r\x1b[K")[-1]
    assert last.startswith("   0.2 s  installing: xxx")
    assert len(last) < install._columns()


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
        ("NewConnectionError: Temporary failure in name resolution", "check the network"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something nobody has seen before", "see the whole output in"),
    ],
)
def test_a_failure_shows_the_last_lines_and_what_to_do(
    said: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(install.InstallError) as failed:
        run(f"print('first'); print({said!r}); raise SystemExit(3)", tmp_path)
    assert said in str(failed.value)
    assert remedy in str(failed.value)
    assert "exit code 3" in str(failed.value)


def test_an_old_python_is_refused_by_name() -> None:
    install.check_python((3, 11, 7), "python3")
    with pytest.raises(install.InstallError, match=r"Python 3\.9; 3\.11 or newer"):
        install.check_python((3, 9, 2), "python3")


def test_a_failed_install_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object) -> None:
        raise install.InstallError("pip failed")

    monkeypatch.setattr(install, "install", fail)
    assert install.main([str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "installing into" in told.out
    assert "pip failed" in told.err
