"""What the run cannot know it does not claim: exit code 3, with the reason."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal.running import BRIEF, find, finish, started, under_load, wait_until

pytestmark = pytest.mark.rehearsal


def test_a_fault_that_cannot_be_injected_makes_the_run_inconclusive(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with started(
        out,
        "--toxiproxy",
        "embedded",
        "--chaos",
        "tests/rehearsal/late_latency.yaml",
        scenario=BRIEF,
    ) as process:
        wait_until("the load has begun", lambda: under_load(out, 2))
        server = find(process, ("flashdrill.toxiproxy.embedded",))
        assert server is not None
        server.send_signal(signal.SIGKILL)
        ended = finish(process, out)
    assert ended.exit_code == 3, ended.output
    assert any("late-latency" in reason for reason in ended.summary["reasons"])


def test_a_generator_that_stood_still_makes_the_run_inconclusive(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with started(out, "--no-chaos", scenario=BRIEF) as process:
        wait_until("the load has begun", lambda: under_load(out, 3))
        crowd = find(process, ("locust",))
        assert crowd is not None
        crowd.send_signal(signal.SIGSTOP)
        wait_until("three seconds have passed", _clock(3.0))
        crowd.send_signal(signal.SIGCONT)
        ended = finish(process, out)
    assert ended.exit_code == 3, ended.output
    assert any("lateness" in reason or "late" in reason for reason in ended.summary["reasons"])
    assert any(not stage["is_valid"] for stage in ended.summary["validity"])


def _clock(seconds: float) -> Callable[[], bool]:
    """A condition that becomes true after this long: the length of the stall is what is tested."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
