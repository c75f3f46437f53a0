"""`flashdrill show`: every operation and event about one id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from flashdrill.analysis.mentions import mentions
from flashdrill.cli.main import invoke
from flashdrill.model.history import OpsWriter, table_from_ops
from flashdrill.model.op import Attempt, Op, Outcome

S = 1_000_000_000


def op(number: int, kind: str, **changes: str) -> Op:
    """An operation that was due in that second."""
    sent = Attempt(number * S, number * S + 5_000_000, 201, Outcome.OK, "placed")
    return Op(
        number,
        kind,
        "rush",
        "order",
        True,
        1,
        number * S,
        number * S,
        number * S + 5_000_000,
        Outcome.OK,
        "placed",
        False,
        201,
        (sent,),
        **changes,  # type: ignore[arg-type]
    )


OPS = (
    op(9, "get_order", order_id="ab12", user_id="u1"),
    op(7, "place_order", order_id="ab12", key="k1", user_id="u1", sku="hot-1"),
    op(8, "place_order", key="k1", user_id="u1", sku="hot-1"),
    op(3, "place_order", order_id="zz99", key="k2", user_id="u2", sku="hot-1"),
)


def write(ops: Sequence[Op], path: Path) -> None:
    with OpsWriter(path) as writer:
        for batch in table_from_ops(ops).to_batches():
            writer.add(batch)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    write(OPS, tmp_path / "ops.parquet")
    event = {"t_s": 1.5, "t_mono_ns": 4 * S, "event": "fault", "id": "cut", "phase": "inject"}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    return tmp_path


def found(wanted: str) -> list[int]:
    return [row["op_id"] for row in mentions(table_from_ops(OPS), wanted).to_pylist()]


def test_an_order_brings_every_try_of_its_key_in_order_of_time() -> None:
    assert found("ab12") == [7, 8, 9]


def test_keys_products_and_customers_are_found_too() -> None:
    assert found("k1") == [7, 8, 9]
    assert found("u2") == [3]
    assert found("hot-1") == [3, 7, 8, 9]
    assert found("hot-1@shard2") == [3, 7, 8, 9]
    assert found("nobody") == []
    assert found("") == []


def test_it_is_printed_with_what_the_customer_was_answered(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["show", str(run_folder), "ab12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "4.500 s" in lines[0], "on the clock of the events: the run started at 2.5 s of it"
    assert "order ab12 key k1 user u1  [201 placed]" in lines[0]


def test_a_fault_shows_its_steps(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["show", str(run_folder), "cut"]) == 0
    assert capsys.readouterr().out == "   1.500 s  fault     id cut  phase inject\n"


def test_the_rest_is_counted(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["show", str(run_folder), "hot-1", "--most", "1"]) == 0
    assert "... and 3 more: --most 4" in capsys.readouterr().out


def test_what_is_not_there_is_said(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["show", str(run_folder), "nobody"]) == 2
    assert "has the id 'nobody'" in capsys.readouterr().err
    assert invoke(["show", str(tmp_path / "no-run"), "x"]) == 2
    assert "no-run'" in capsys.readouterr().err


def test_without_events_times_count_from_the_first_operation(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder / "events.jsonl").unlink()
    assert invoke(["show", str(run_folder), "ab12"]) == 0
    assert "4.000 s" in capsys.readouterr().out


def test_a_killed_runs_last_line_is_left_out_and_a_damaged_record_is_said(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (run_folder / "events.jsonl").open("a") as events:
        events.write('{"t_s": 2.0, "t_mo')
    assert invoke(["show", str(run_folder), "cut"]) == 0
    (run_folder / "ops.parquet").write_bytes(b"PAR1 nothing")
    assert invoke(["show", str(run_folder), "cut"]) == 2
    assert "damaged" in capsys.readouterr().err


def test_what_a_service_says_moves_no_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = op(1, "place_order", order_id="ab\x1b[2J\x1b]0;x\x07", sku="s")
    write([hostile], tmp_path / "ops.parquet")
    assert invoke(["show", str(tmp_path), "s"]) == 0
    assert "\x1b" not in capsys.readouterr().out
