"""`flashdrill worker` as a container ends it: by SIGTERM to the command, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from flashdrill.errors import EXIT_INCONCLUSIVE
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


def child_of(pid: int) -> psutil.Process:
    """The one child, as soon as it is what it is to be."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        for child in psutil.Process(pid).children():
            if "flashdrill.load.recruit" in child.cmdline():
                return child
        time.sleep(0.02)
    raise AssertionError("nobody sends the load")
