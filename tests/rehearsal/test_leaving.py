"""However a run ends, nothing of it stays behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.rehearsal.running import alive, family, finish, started, under_load, wait_until

pytestmark = pytest.mark.rehearsal
CLEAN_WITHIN_S = 5.0  # the promise of the design


def test_a_killed_harness_leaves_no_process(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with started(out) as process:
        wait_until("a fault is in force", lambda: under_load(out, 6))
        pids = {child.pid for child in family(process)}
        assert len(pids) >= 8, "guardian, four postmasters, valkey, toxiproxy, backend, crowd"
        process.kill()
        killed = time.monotonic()
        process.wait()
        wait_until("nothing is left", lambda: not alive(pids), timeout_s=CLEAN_WITHIN_S)
        assert time.monotonic() - killed < CLEAN_WITHIN_S + 1


def test_ctrl_c_heals_and_ends_with_130(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with started(out) as process:
        wait_until("a fault is in force", lambda: under_load(out, 6))
        pids = {child.pid for child in family(process)}
        process.send_signal(signal.SIGINT)
        ended = finish(process, out)
    assert ended.exit_code == 130, ended.output
    assert ended.summary["verdict"] == "interrupted"
    assert not alive(pids)
    for fault in ended.summary["faults"]:
        assert fault["healed"], fault
