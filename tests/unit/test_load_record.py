from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from flashdrill.load.record import Recorder, read_stream
from flashdrill.model.history import OPS_SCHEMA, ops_from_table
from flashdrill.model.op import Attempt, Op, Outcome


def op(number: int) -> Op:
    attempt = Attempt(number, number + 5, 201, Outcome.OK, "placed")
    return Op(
        op_id=number,
        kind="place_order",
        stage="rush",
        journey="order",
        is_arrival=True,
        process=number,
        due_ns=number,
        sent_ns=number,
        done_ns=number + 5,
        outcome=Outcome.OK,
        reason="placed",
        is_refusal=False,
        status=201,
        attempts=(attempt,),
        key=f"k{number}",
    )


def test_operations_come_back_as_they_were(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ops.arrows", batch_ops=4)
    recorder.warm_up()
    for number in range(10):
        recorder.add(op(number))
    recorder.close()
    recorder.close()
    assert list(ops_from_table(read_stream(tmp_path / "ops.arrows"))) == [op(n) for n in range(10)]


def test_what_was_flushed_is_readable_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ops.arrows"
    recorder = Recorder(path)
    assert read_stream(path).num_rows == 0
    recorder.add(op(1))
    assert read_stream(path).num_rows == 0
    recorder.flush()
    assert read_stream(path).num_rows == 1
    recorder.close()


def test_memory_is_bounded_by_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "ops.arrows"
    recorder = Recorder(path, batch_ops=3)
    for number in range(7):
        recorder.add(op(number))
    assert read_stream(path).num_rows == 6
    recorder.close()


def test_a_torn_tail_costs_at_most_the_last_batch(tmp_path: Path) -> None:
    path = tmp_path / "ops.arrows"
    recorder = Recorder(path, batch_ops=2)
    for number in range(6):
        recorder.add(op(number))
    whole = path.read_bytes()
    recorder.close()
    seen = set()
    for length in range(0, len(whole) + 1, 97):
        path.write_bytes(whole[:length])
        seen.add(read_stream(path).num_rows)
    path.write_bytes(whole)
    assert seen <= {0, 2, 4, 6}
    assert {0, 2, 4} <= seen
    assert read_stream(path).num_rows == 6


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.arrows"
    table = pa.table({"a": [1]})
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(pa.ArrowInvalid, match="not a history"):
        read_stream(path)


def test_an_empty_file_has_no_rows_and_the_schema(tmp_path: Path) -> None:
    (tmp_path / "ops.arrows").touch()
    assert read_stream(tmp_path / "ops.arrows").schema == OPS_SCHEMA
