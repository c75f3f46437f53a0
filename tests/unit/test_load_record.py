from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from flashdrill.load.record import MAGIC, NotAHistoryError, Recorder, read_stream, to_parquet
from flashdrill.model.history import OPS_SCHEMA, ops_from_table, read_ops
from flashdrill.model.op import NOT_SENT, Attempt, Op, Outcome


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
    recorder = Recorder(tmp_path / "ops.record", batch_ops=4)
    for number in range(10):
        recorder.add(op(number))
    recorder.close()
    recorder.close()
    assert list(ops_from_table(read_stream(tmp_path / "ops.record"))) == [op(n) for n in range(10)]


def test_ids_that_a_locustfile_gives_as_numbers_are_written_as_texts(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ops.record")
    recorder.add(replace(op(1), order_id=4711, quantity=3_000_000_000))
    recorder.close()
    (found,) = ops_from_table(read_stream(tmp_path / "ops.record"))
    assert (found.order_id, found.quantity) == ("4711", 3_000_000_000)


def test_what_was_flushed_is_readable_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ops.record"
    recorder = Recorder(path)
    assert read_stream(path).num_rows == 0
    recorder.add(op(1))
    assert read_stream(path).num_rows == 0
    recorder.flush()
    assert read_stream(path).num_rows == 1
    recorder.close()


def test_memory_is_bounded_by_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "ops.record"
    recorder = Recorder(path, batch_ops=3)
    for number in range(7):
        recorder.add(op(number))
    assert read_stream(path).num_rows == 6
    recorder.close()


def test_a_torn_tail_costs_at_most_the_last_batch(tmp_path: Path) -> None:
    path = tmp_path / "ops.record"
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


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"something else", "not a history"), (MAGIC + b"\x02\0\0\0\xff\xff", "damaged")],
)
def test_something_else_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "other.record"
    path.write_bytes(content)
    with pytest.raises(NotAHistoryError, match=says):
        read_stream(path)


def test_a_parquet_file_is_made_of_it_in_groups(tmp_path: Path) -> None:
    path, target = tmp_path / "ops.record", tmp_path / "ops.parquet"
    recorder = Recorder(path, batch_ops=2)
    for number in range(7):
        recorder.add(op(number))
    recorder.close()
    assert to_parquet(path, target) == 7
    assert read_ops(target) == read_stream(path)


def test_an_operation_may_have_no_attempt(tmp_path: Path) -> None:
    path = tmp_path / "ops.record"
    never = replace(op(1), attempts=(), sent_ns=NOT_SENT)
    twice = replace(op(2), attempts=op(2).attempts * 2)
    recorder = Recorder(path)
    recorder.add(never)
    recorder.flush()
    recorder.add(never)
    recorder.add(twice)
    recorder.close()
    assert list(ops_from_table(read_stream(path))) == [never, never, twice]


def test_an_empty_file_has_no_rows_and_the_schema(tmp_path: Path) -> None:
    (tmp_path / "ops.record").touch()
    assert read_stream(tmp_path / "ops.record").schema == OPS_SCHEMA
