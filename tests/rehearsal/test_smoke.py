"""The short rehearsal passes, and its summary says what the long one's must."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

from flashdrill.report.summary import summary_schema
from tests.rehearsal.running import run

pytestmark = pytest.mark.rehearsal


@pytest.mark.parametrize("toxiproxy", ["auto", "embedded"])
def test_the_smoke_rehearsal_passes_under_all_four_faults(tmp_path: Path, toxiproxy: str) -> None:
    ended = run(tmp_path / "runs", "--toxiproxy", toxiproxy)
    assert ended.exit_code == 0, ended.output
    summary = ended.summary
    jsonschema.validate(summary, summary_schema())
    assert summary["verdict"] == "pass"
    assert len(summary["faults"]) == 4
    for fault in summary["faults"]:
        assert fault["effect_observed"], fault
        assert fault["healed"], fault
        assert fault["recover_s"] is not None, fault
    assert len(ended.invariants("holds")) >= 7
    assert not ended.invariants("violated") | ended.invariants("unknown")

    assert summary["load"]["attempts_by_status"]["504"] > 0, "some clients saw a gateway timeout"

    assert ended.folder is not None
    ops = pq.read_table(ended.folder / "ops.parquet").to_pylist()
    orders = [op for op in ops if op["kind"] == "place_order"]
    assert any(attempt["status"] == 504 for op in orders for attempt in op["attempts"])
    assert any(op["reason"] == "queued" for op in orders)
    for name in (
        "report.html",
        "junit.xml",
        "summary.md",
        "resources.parquet",
        "events.jsonl",
        "journal.jsonl",
    ):
        assert (ended.folder / name).stat().st_size > 0, name
    if toxiproxy == "embedded":
        assert summary["environment"]["toxiproxy"]["kind"] == "embedded"
