"""Which processes a stop may signal, and what it says it saw. The processes are children of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.model.journal import Journal
from flashdrill.model.processes import identity
from flashdrill.rehearsal.stopping import stop, under_way

HARNESS = """\
import json, signal, sys, time
from pathlib import Path
from flashdrill.model.journal import Journal
folder = Path(sys.argv[1])
journal = Journal(folder / "journals" / "r1.jsonl", holds=True)
journal.opened("flashdrill run", str(folder / "run" / "journal.jsonl"))
journal.injecting("slow", {"type": "none"})
def end(*_):
    (folder / "run" / "live.jsonl").write_text(json.dumps({"event": "done"}) + "\\n")
    if sys.argv[2] != "forgets":
        journal.healed("slow")
    if sys.argv[2] != "stays":
        sys.exit(130)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
time.sleep(60)
"""


@contextmanager
def harness(folder: Path, habit: str = "heals") -> Iterator[subprocess.Popen[str]]:
    (folder / "run").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(folder), habit], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with process.stdout as out:
            assert out.readline() == "ready\n"
            yield process
    finally:
        process.kill()
        process.wait()


def test_what_is_under_way_is_told_and_seen_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with harness(tmp_path) as process:
        assert invoke(["stop", "--state", str(tmp_path)]) == 0
        assert process.wait(timeout=10) == 130
    said = capsys.readouterr().out
    assert f"flashdrill run, pid {process.pid}, r1: told to stop" in said
    assert "the load has ended" in said
    assert "all is healed, and it is over" in said


def test_what_is_left_in_force_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with harness(tmp_path, "forgets"):
        assert invoke(["stop", "--state", str(tmp_path)]) == 4
    said = capsys.readouterr().out
    assert "may still be in force: slow" in said
    assert "flashdrill heal" in said


def test_one_that_does_not_end_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    with harness(tmp_path, "stays") as process:
        (found,) = under_way(tmp_path)
        seen = stop(found, timeout_s=0.3)
        assert process.poll() is None
    assert seen.over_s is None
    assert seen.load_s is not None


def test_one_that_is_stopping_is_waited_for_and_not_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The harness here would end at the signal."""
    with harness(tmp_path) as process:
        (found,) = under_way(tmp_path)
        with found.journal.open("a") as journal:
            journal.write('{"do": "stopping"}\n')
        seen = stop(found, timeout_s=0.3)
        assert seen.over_s is None
        process.terminate()
        process.wait()
        assert seen.left == ("slow",)
        assert found.is_stopping


def test_nothing_is_under_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stop", "--state", str(tmp_path / "nowhere")]) == 3
    assert "nothing was stopped" in capsys.readouterr().out


def test_a_pid_that_means_another_process_by_now_is_never_signalled(tmp_path: Path) -> None:
    """The journal is held, and its harness is said to have started at another time than the process of this pid."""
    path = tmp_path / "journals" / "r1.jsonl"
    with closing(Journal(path, holds=True)) as journal:
        journal.opened("flashdrill run")
        assert [found.pid for found in under_way(tmp_path)] == [os.getpid()]
        line = json.loads(path.read_text())
        line["harness"] = {**identity(os.getpid()), "started": 1}
        path.write_text(json.dumps(line) + "\n")
        assert not under_way(tmp_path)


def test_a_run_that_is_over_is_not_under_way(tmp_path: Path) -> None:
    path = tmp_path / "journals" / "r1.jsonl"
    with closing(Journal(path, holds=True)) as journal:
        journal.opened("flashdrill run")
    assert not under_way(tmp_path)
