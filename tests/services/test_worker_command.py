"""`flashdrill worker` as a container ends it: by SIGTERM to the command, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_STACK
from flashdrill.stack.ports import choose_ports

pytestmark = pytest.mark.services

PATIENCE_S = 20.0


def test_sigterm_ends_the_process_that_sends_the_load_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://10.0.0.9:3128")
    port = choose_ports(["master"], fixed={})["master"]
    argv = [sys.executable, "-m", "flashdrill.cli.main", "worker", "--master", f"127.0.0.1:{port}"]
    with subprocess.Popen(argv) as process:
        try:
            sender = child_of(process.pid)
            assert "HTTP_PROXY" not in sender.environ(), "it would lead past the fence"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == EXIT_INCONCLUSIVE, "its share was not handed in"
            psutil.wait_procs([sender], timeout=PATIENCE_S)
            assert not sender.is_running()
        finally:
            process.kill()


def test_sigkill_of_the_command_ends_the_process_that_sends_the_load_too() -> None:
    port = choose_ports(["master"], fixed={})["master"]
    argv = [sys.executable, "-m", "flashdrill.cli.main", "worker", "--master", f"127.0.0.1:{port}"]
    with subprocess.Popen(argv) as process:
        sender = child_of(process.pid)
        process.kill()
        process.wait(PATIENCE_S)
        _, alive = psutil.wait_procs([sender], timeout=PATIENCE_S)
        assert not alive


def test_a_worker_that_is_stopped_while_it_waits_for_its_master_leaves_no_folder(
    tmp_path: Path,
) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    with recruit(tmp_path, port) as process:
        until("it waits for its master", lambda: has_a_channel(process.pid))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == EXIT_INCONCLUSIVE
    assert not list(tmp_path.iterdir())


def test_a_worker_can_be_stopped_while_it_waits_for_its_share(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    with silent_master(port) as master, recruit(tmp_path, port) as process:
        until("the master has answered", lambda: list(tmp_path.iterdir()))
        process.send_signal(signal.SIGTERM)
        said, code = last_words(process)
        master.kill()
    assert "no share is sent: it was stopped before it had one" in said
    assert code == EXIT_INCONCLUSIVE
    assert not list(tmp_path.iterdir())


def test_a_worker_that_gets_no_share_says_so(tmp_path: Path) -> None:
    port = choose_ports(["master"], fixed={})["master"]
    with silent_master(port) as master, recruit(tmp_path, port, "BEGIN_TIMEOUT_S = 0.5") as process:
        said, code = last_words(process)
        master.kill()
    assert "the master gave no share" in said
    assert "Traceback" not in said
    assert code == EXIT_STACK


def recruit(folder: Path, port: int, setting: str = "") -> subprocess.Popen[str]:
    """The process that sends the load, with temporary files in the folder."""
    code = f"import sys, flashdrill.load.recruit as r; r.{setting or 'BEGIN_TIMEOUT_S = 60'}"
    start = f"import logging; logging.basicConfig(); sys.exit(r.main('127.0.0.1', {port}))"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"{code}; {start}"],
        env={**os.environ, "TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )


def silent_master(port: int) -> subprocess.Popen[str]:
    """A Locust master that is none of ours: it answers, and gives no share."""
    code = "import gevent; from locust.env import Environment\n"
    code += f"Environment().create_master_runner('127.0.0.1', {port}); gevent.sleep({PATIENCE_S})"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code], stderr=subprocess.DEVNULL, text=True
    )


def last_words(process: subprocess.Popen[str]) -> tuple[str, int]:
    """What a process said until its end, and its exit code."""
    _, said = process.communicate(timeout=PATIENCE_S)
    return said, process.returncode


def has_a_channel(pid: int) -> bool:
    """Whether Locust's channel is open in a process: it has threads of its own."""
    names = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
    return any(name.startswith("ZMQ") for name in names)


def until(what: str, is_so: Callable[[], object]) -> None:
    """Poll until it is so."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def child_of(pid: int) -> psutil.Process:
    """The one child, as soon as it is what it is to be."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        for child in psutil.Process(pid).children():
            if "flashdrill.load.recruit" in child.cmdline():
                return child
        time.sleep(0.02)
    raise AssertionError("nobody sends the load")
