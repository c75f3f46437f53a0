"""`flashdrill stop` on a real run: customers come no more at once, faults are healed, and it ends with 130."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke
from flashdrill.model.history import ops_from_table, read_ops
from flashdrill.model.journal import unhealed
from tests.rehearsal.running import SMOKE, finish, run, under_load, wait_until

pytestmark = pytest.mark.rehearsal
PLANNED_S = 20.0


def test_a_run_is_stopped_from_another_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    command = [sys.executable, "-m", "flashdrill.cli.main", "run", str(SMOKE), "--out", str(out)]
    with (tmp_path / "runs.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            wait_until("a fault is in force", lambda: under_load(out, 6))
            assert invoke(["stop", "--help"]) == 0  # what is imported is not part of the time
            told_ns = time.monotonic_ns()
            assert invoke(["stop", "--state", str(tmp_path / ".flashdrill")]) == 0
            ended = finish(process, out)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    said = capfd.readouterr().out
    assert "told to stop" in said
    assert "the load has ended" in said
    assert "all is healed" in said
    assert ended.exit_code == 130, ended.output
    assert ended.summary["verdict"] == "interrupted"
    assert all(fault["healed"] for fault in ended.summary["faults"])
    assert ended.folder is not None
    assert not unhealed(ended.folder / "journal.jsonl")
    due_ns = [
        op.due_ns for op in ops_from_table(read_ops(ended.folder / "ops.parquet")) if op.is_arrival
    ]
    after_s = (max(due_ns) - told_ns) / 1e9
    rest_s = PLANNED_S - (told_ns - min(due_ns)) / 1e9
    assert rest_s > 8
    assert after_s < rest_s / 8, (
        f"customers came for {after_s:.2f} s of the {rest_s:.1f} s that were left"
    )
    assert invoke(["stop", "--state", str(tmp_path / ".flashdrill")]) == 3


def test_a_run_that_would_send_more_than_its_cap_ends_and_cannot_tell(tmp_path: Path) -> None:
    """Its arrivals fit; everybody's second click comes on top."""
    out = tmp_path / "runs"
    clicks = "parameters.double_click_share=1"
    ended = run(out, "--no-chaos", "--rate-max", "150/s", "--set", clicks)
    assert ended.exit_code == 3, ended.output
    (why,) = [r for r in ended.summary["reasons"] if "limits.rate_max" in r]
    assert "more than 150 requests in a second" in why
    assert "stopping the load" in ended.output
