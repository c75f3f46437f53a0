"""Whole runs as a user starts them: `flashdrill run` in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "scenarios" / "smoke.yaml"
BRIEF = ROOT / "tests" / "rehearsal" / "brief.yaml"
"""Half as long, under one outage."""
PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended; `summary` is empty when none was written."""

    exit_code: int
    output: str
    folder: Path | None
    summary: dict[str, Any]

    def invariants(self, status: str) -> set[str]:
        """The names of the invariants with this answer."""
        return {i["name"] for i in self.summary["audit"]["invariants"] if i["status"] == status}


@contextmanager
def started(out: Path, *arguments: str, scenario: Path = SMOKE) -> Iterator[subprocess.Popen[str]]:
    """A running `flashdrill run`; whatever the test does, it is over at the end."""
    command = [
        sys.executable,
        "-m",
        "flashdrill.cli.main",
        "run",
        str(scenario),
        "--out",
        str(out),
        *arguments,
    ]
    with (out.parent / f"{out.name}.log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        with _over_at_the_end(process):
            yield process


@contextmanager
def started_on_a_terminal(
    out: Path, *arguments: str, scenario: Path = SMOKE
) -> Iterator[subprocess.Popen[str]]:
    """The same on a terminal of 80 by 24; what is written to it is in the log, escape codes and all."""
    command = [sys.executable, "-m", "flashdrill.cli.main", "run", str(scenario)]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environ = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [*command, "--out", str(out), *arguments],
        cwd=ROOT,
        env={**environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    reader = threading.Thread(target=_record, args=(ours, out.parent / f"{out.name}.log"))
    reader.start()
    try:
        with _over_at_the_end(process):
            yield process
    finally:
        reader.join(timeout=10)
        os.close(ours)


def _record(terminal: int, log: Path) -> None:
    """Copy what is written to a terminal until nobody has it open any more."""
    with log.open("wb", buffering=0) as file, suppress(OSError):
        while data := os.read(terminal, 65536):
            file.write(data)


@contextmanager
def _over_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


def finish(process: subprocess.Popen[str], out: Path) -> Run:
    """Wait for the end of a run and read what it wrote."""
    exit_code = process.wait(timeout=PATIENCE_S)
    output = (out.parent / f"{out.name}.log").read_text()
    folders = sorted(path for path in out.iterdir() if path.is_dir()) if out.exists() else []
    folder = folders[-1] if folders else None
    summary = folder / "summary.json" if folder else None
    found = json.loads(summary.read_text()) if summary and summary.exists() else {}
    return Run(exit_code, output, folder, found)


def run(out: Path, *arguments: str, scenario: Path = SMOKE) -> Run:
    """A whole run."""
    with started(out, *arguments, scenario=scenario) as process:
        return finish(process, out)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Every process below the harness, the guardian's children included."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def find(process: subprocess.Popen[str], words: tuple[str, ...]) -> psutil.Process | None:
    """The first process below the harness whose command line has all the words."""
    for child in family(process):
        try:
            line = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if all(word in line for word in words):
            return child
    return None


def wait_until(what: str, condition: Callable[[], Any], timeout_s: float = 90.0) -> Any:
    """Poll until the condition gives something true; fail the test with `what` at the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def under_load(out: Path, seconds: int) -> bool:
    """Whether the crowd has been at work for this many seconds."""
    lives = list(out.glob("*/live.jsonl")) if out.exists() else []
    text = lives[0].read_text() if lives else ""
    events = [json.loads(line)["event"] for line in text[: text.rfind("\n") + 1].splitlines()]
    return events.count("second") >= seconds


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run (a zombie does not)."""
    running = set()
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                running.add(pid)
        except psutil.NoSuchProcess:
            continue
    return running
