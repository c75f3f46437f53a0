"""docs/tutorial.md, followed word for word in a copy of the repository: what a reader types works, and prints that."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from flashdrill.errors import EXIT_INCONCLUSIVE
from tests.tutorial import ASKS_EXIT_CODE, Command, File, mismatch, steps_of

pytestmark = pytest.mark.rehearsal

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PATIENCE_S = 240.0
POLL_S = 0.02
MOST_REPEATS = 2
"""Of a run that this busy machine spoiled: it is forgotten, and made again, as the tutorial advises."""

NOT_RUN = {
    "make install": "downloads; what it installs is what this test runs in",
    ". .venv/bin/activate": "the copy has no .venv; the test's own environment is on the path",
}
"""The only commands of the tutorial that are not run, and why."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command printed (both streams, blanks at the ends of lines cut), and its exit code."""

    lines: list[str]
    exit_code: int


class Shell:
    """A shell that keeps its folder, variables and `$?` from one command to the next, as a reader's does."""

    def __init__(self, process: subprocess.Popen[str], notes: Path) -> None:
        self._process = process
        self._notes = notes
        self._count = 0

    def type(self, text: str) -> Printed:
        """Run a command to its end. Fails the test when that does not come, or when the shell is gone."""
        self._count += 1
        output, code = (self._notes / f"{self._count}.{what}" for what in ("out", "code"))
        assert self._process.stdin is not None
        self._process.stdin.write(
            f"(exit ${{last:-0}})\n{{ {text}\n}} >'{output}' 2>&1 </dev/null\n"
            f"last=$?; echo $last >'{code}.half'; mv '{code}.half' '{code}'\n"
        )
        self._process.stdin.flush()
        self._wait_for(code, text)
        lines = [line.rstrip() for line in output.read_text(encoding="utf-8").splitlines()]
        return Printed(lines, int(code.read_text()))

    def _wait_for(self, path: Path, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists():
            assert self._process.poll() is None, f"the shell ended at: {text}"
            assert time.monotonic() < deadline, f"not over within {PATIENCE_S:.0f} s: {text}"
            time.sleep(POLL_S)


@contextmanager
def opened(place: Path, notes: Path) -> Iterator[Shell]:
    """A shell in a folder, with the programs of this environment first on its path."""
    notes.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=place,
        env={**os.environ, "PATH": path, "PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield Shell(process, notes)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # and what it may still be running


def copy_repository(place: Path) -> None:
    """What a clone would have, as it is in the working tree now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def follow(steps: list[Command | File], place: Path, shell: Shell) -> None:
    """Write the files and type the commands, in order; fails at the first difference."""
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, File):
            (place / step.path).parent.mkdir(parents=True, exist_ok=True)
            (place / step.path).write_text(step.text, encoding="utf-8")
        elif step.text not in NOT_RUN:
            asked = isinstance(after, Command) and after.text == ASKS_EXIT_CODE
            _obey(step, place, shell, may_fail=asked)


def _obey(command: Command, place: Path, shell: Shell, *, may_fail: bool) -> None:
    printed = shell.type(command.text)
    for _ in range(MOST_REPEATS):
        if not mismatch(command.expected, printed.lines) or not _was_spoiled(printed):
            break
        shutil.rmtree((place / "reports" / "latest").resolve(), ignore_errors=True)
        printed = shell.type(command.text)
    everything = "\n".join(printed.lines)
    where = f"tutorial, line {command.line}: $ {command.text}"
    difference = mismatch(command.expected, printed.lines)
    assert not difference, f"{where}\n{difference}; in all it printed:\n{everything}"
    assert may_fail or not printed.exit_code, f"{where}\nended with exit code {printed.exit_code}"


def _was_spoiled(printed: Printed) -> bool:
    """Whether the run could not tell, or could not tell everything, because this machine was busy."""
    is_late = any("the generator was late" in line for line in printed.lines)
    return is_late or printed.exit_code == EXIT_INCONCLUSIVE


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    place = tmp_path / "flashdrill"
    place.mkdir()
    copy_repository(place)
    with opened(place, tmp_path / "notes") as shell:
        follow(steps_of(TUTORIAL.read_text(encoding="utf-8")), place, shell)


def test_only_its_first_commands_are_not_run() -> None:
    commands = [s for s in steps_of(TUTORIAL.read_text(encoding="utf-8")) if isinstance(s, Command)]
    left_out = [command for command in commands if command.text in NOT_RUN]
    assert left_out == commands[: len(NOT_RUN)]
    assert not any(command.expected for command in left_out)


@pytest.mark.parametrize(
    ("page", "difference"),
    [
        ("$ echo one\ntwo\n", "expected 'two', found 'one'"),
        ("$ echo one\n", "nothing more expected, found 'one'"),
        ("$ false\n", "ended with exit code 1"),
        ("$ (exit 3)\n$ echo $?\n0\n", "expected '0', found '3'"),
        ("$ cat nowhere.txt\n$ echo $?\n1\n", "nothing more expected"),
        ("$ exit 5\n", "the shell ended"),
    ],
)
def test_a_tutorial_that_is_wrong_is_found_out(tmp_path: Path, page: str, difference: str) -> None:
    steps = steps_of(f"```console\n{page}```\n")
    with (
        opened(tmp_path, tmp_path / "notes") as shell,
        pytest.raises(AssertionError, match=difference),
    ):
        follow(steps, tmp_path, shell)


def test_what_was_inconclusive_is_typed_again_and_what_failed_is_not(tmp_path: Path) -> None:
    once = 'echo x >> {0}; [ "$(wc -l < {0})" -gt 1 ] || exit {1}; echo ok'
    page = "```console\n$ sh {}\nok\n```\n"
    (tmp_path / "busy.sh").write_text(once.format("a", 3), encoding="utf-8")
    (tmp_path / "wrong.sh").write_text(once.format("b", 1), encoding="utf-8")
    with opened(tmp_path, tmp_path / "notes") as shell:
        follow(steps_of(page.format("busy.sh")), tmp_path, shell)
        with pytest.raises(AssertionError, match="expected 'ok'"):
            follow(steps_of(page.format("wrong.sh")), tmp_path, shell)


def test_a_reader_keeps_folder_variables_and_files(tmp_path: Path) -> None:
    page = (
        "```sh\n# file: deep/hello.sh\necho hello\n```\n"
        "```console\n$ cd deep\n$ word=there\n$ sh hello.sh; echo $word\nhello\nthere\n"
        "$ cat > a.txt <<'END'\n> one\n> two\n> END\n$ cat a.txt\none\ntwo\n$ (exit 4)\n$ echo $?\n4\n```\n"
    )
    with opened(tmp_path, tmp_path / "notes") as shell:
        follow(steps_of(page), tmp_path, shell)
