"""What an import writes: everything or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.cli.main import invoke

ROWS = "time,path\n" + "".join(f"2026-01-01T00:{m:02}:00Z,/p{m % 50}\n" for m in range(60))


def test_a_file_that_is_refused_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, requests = tmp_path / "shop.csv", tmp_path / "requests.yaml"
    table.write_text(ROWS)
    words = ["import", "csv", str(table), "-o", str(tmp_path / "traffic.yaml")]
    more = ["--requests", str(requests), "--label", "path"]
    assert invoke([*words, *more, "--curve", "10ms"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "over 1000000 steps of 0.01 s for 50 labels" in said
    assert "such as 0.2s" in said
    assert list(tmp_path.iterdir()) == [table]
    assert invoke([*words, *more, "--curve", "1m"]) == 0
    assert requests.exists()
