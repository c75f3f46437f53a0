"""However a run ends, nothing of it stays behind."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.rehearsal.running import (
    alive,
    family,
    finish,
    started,
    started_on_a_terminal,
    under_load,
    wait_until,
)

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


def test_ctrl_c_at_a_terminal_heals_and_ends_with_130(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with started_on_a_terminal(out) as process:
        wait_until("a fault is in force", lambda: under_load(out, 6))
        pids = {child.pid for child in family(process)}
        process.send_signal(signal.SIGINT)
        ended = finish(process, out)
    assert ended.exit_code == 130, ended.output
    assert ended.summary["verdict"] == "interrupted"
    assert ended.summary["load"]["generator"]["due"] > 0, "what was sent by then is told"
    assert not alive(pids)
    for fault in ended.summary["faults"]:
        assert fault["healed"], fault
    _shown((tmp_path / "runs.log").read_text(encoding="utf-8"))


def _shown(output: str) -> None:
    """The live screen and the last one, as they were written to the terminal."""
    text = re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]", "", output)
    for live in ("bringing the stack up", "rush", "in flight", "p99 60s", "in force", "breaker"):
        assert live in text, live
    assert re.search(r"due \d+/s   sent \d+/s", text)
    assert text.count(" of 20 s, ") > 10, "it was drawn again and again"
    assert "fault shard-timeout: inject" in text
    last = text[text.rindex("┏") :]
    for said in ("INTERRUPTED", "the run was interrupted", "report.html", "try next:"):
        assert said in last, said
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l"), "the cursor is back"
