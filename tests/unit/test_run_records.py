"""The records of a run's load processes become one history, which may be longer than what fits into memory."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flashdrill.audit.checkers import CHECKERS, LOOKED_AT, check_all
from flashdrill.audit.scope import NEEDS
from flashdrill.load.record import Recorder
from flashdrill.model.history import OPS_SCHEMA, OpsWriter, ops_from_table, table_from_ops
from flashdrill.model.op import Attempt, Op, Outcome
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.records import keep_history
from flashdrill.rehearsal.sorting import in_order
from tests.unit.audit_world import correct_world
from tests.unit.audit_world import op as an_order


def ended(number: int, done_ns: int, worker: int = 0) -> Op:
    """An operation that ended then."""
    answer = Attempt(1, done_ns, 201, Outcome.OK, "placed")
    order = an_order(number, Outcome.OK, "placed", key=f"{number:040}", worker=worker)
    return msgspec.structs.replace(order, done_ns=done_ns, attempts=(answer,))


def record(folder: Path, worker: int, ops: list[Op]) -> None:
    recorder = Recorder(folder / f"ops-{worker}.record", batch_ops=7)
    for op in ops:
        recorder.add(op)
    recorder.close()


def test_several_records_become_one_in_the_order_in_which_operations_ended(tmp_path: Path) -> None:
    """A moment or two later an operation may be on record before another that ended earlier."""
    chance = random.Random(3)
    ops = [ended(n, chance.randrange(1_000), worker=n % 3) for n in range(300)]
    for worker in range(3):
        record(tmp_path, worker, ops[worker::3])
    kept = list(ops_from_table(keep_history(RunFolder(tmp_path))))
    assert kept == sorted(ops, key=lambda op: (op.done_ns, op.worker, op.op_id))
    assert [path.name for path in tmp_path.iterdir()] == ["ops.parquet"]


def test_the_record_of_one_process_becomes_the_history(tmp_path: Path) -> None:
    ops = [ended(n, n) for n in range(20)]
    record(tmp_path, 0, ops)
    (tmp_path / "ops-0.record").rename(tmp_path / "ops.record")
    assert list(ops_from_table(keep_history(RunFolder(tmp_path)))) == ops
    assert [path.name for path in tmp_path.iterdir()] == ["ops.parquet"]


def test_a_workers_times_are_kept_by_our_clock(tmp_path: Path) -> None:
    record(tmp_path, 0, [ended(0, 5_000)])
    record(tmp_path, 1, [ended(1, 5_000, worker=1)])
    clock = {"event": "clock", "worker": 1, "shift_ns": -3_000, "error_ns": 1}
    (tmp_path / "master.jsonl").write_bytes(msgspec.json.encode(clock) + b"\n")
    kept = keep_history(RunFolder(tmp_path))
    assert kept.column("worker").to_pylist() == [1, 0]
    assert kept.column("done_ns").to_pylist() == [2_000, 5_000]


def part(path: Path, worker: int, count: int) -> Path:
    """A history of so many operations, of which each tenth came down late."""
    with OpsWriter(path, group_rows=1_000) as writer:
        for start in range(0, count, 1_000):
            numbers = range(start, start + 1_000)
            block = [ended(n, 1_000 * n - 5_000 * (n % 10 == 0), worker) for n in numbers]
            writer.add(*table_from_ops(block).to_batches())
    return path


def sorted_in(folder: Path, count: int) -> int:
    """The most bytes that Arrow had while two histories became one."""
    parts = [part(folder / f"{count}-{worker}.parquet", worker, count) for worker in range(2)]
    pool, before = pa.proxy_memory_pool(pa.system_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        in_order(parts, folder / "ops.parquet")
    finally:
        pa.set_memory_pool(before)
    kept = pq.read_table(folder / "ops.parquet")
    assert kept.schema == OPS_SCHEMA
    done_ns, ids = kept.column("done_ns").to_pylist(), kept.column("op_id").to_pylist()
    assert done_ns == sorted(done_ns)
    assert sorted(ids) == sorted([*range(count)] * 2)
    return int(pool.max_memory())


def test_a_history_five_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    short, long = sorted_in(tmp_path, 30_000), sorted_in(tmp_path, 150_000)
    assert long < 1.3 * short


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_what_is_said_of_a_full_disk(tmp_path: Path) -> None:
    long = part(tmp_path / "0.parquet", 0, 60_000)
    with pytest.raises(OSError, match="No space left"):
        in_order([long], Path("/dev/full"))
    assert long.exists()


def test_texts_that_operations_share_are_one_object() -> None:
    nameless = msgspec.structs.replace(ended(1, 1), breakdown=None)
    first, second = ops_from_table(table_from_ops([ended(0, 0), nameless]))
    assert first.kind is second.kind
    assert first.attempts[0].reason is second.attempts[0].reason
    assert (second.breakdown, first.key, second.key) == (None, f"{0:040}", f"{1:040}")


@pytest.mark.parametrize("seed", range(5))
def test_checkers_look_at_orders_and_payments_only(seed: int) -> None:
    """Whatever an operation of another kind says of an order, no answer changes."""
    ops, reads = correct_world(seed)
    stranger = msgspec.structs.replace(ops[0], op_id=10**6, kind="get_order", quantity=99)
    looked_at = [op for op in ops if op.kind in LOOKED_AT]
    lost = replace(reads, orders=reads.orders[1:], payments=reads.payments[1:])
    for found in (reads, lost):
        assert check_all([*ops, stranger], found) == check_all(looked_at, found)
    assert len(check_all(looked_at, reads)) == len(CHECKERS)
    assert {needs.kind for needs in NEEDS.values()} <= {"", *LOOKED_AT}
