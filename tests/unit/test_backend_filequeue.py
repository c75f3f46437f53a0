"""The file queue: acknowledged means on disk, in order, and nothing is skipped in silence."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.filequeue import (
    CorruptQueueError,
    FileQueue,
    OsFiles,
    QueueFailedError,
    QueueFullError,
    QueueLockedError,
    QueueState,
    inspect,
    record,
    segment,
)
from backend.filequeue.log import Log
from tests.unit.queue_disk import MemoryDisk

FOLDER = Path("/queue")
SEGMENT = 4096


async def fill(queue: FileQueue, payloads: Iterable[bytes]) -> list[int]:
    """Append all at once; the sequence numbers."""
    return await asyncio.gather(*(queue.append(p) for p in payloads))


def contents(queue: FileQueue) -> list[tuple[int, bytes]]:
    return [(r.seq, r.payload) for r in queue.peek(10**6)]


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.001)


async def closing(queue: FileQueue, work: Awaitable[Any]) -> Any:
    try:
        return await work
    finally:
        await queue.close()


def killed(queue: FileQueue) -> None:
    """What SIGKILL leaves: no last cursor, and the lock is free."""
    queue._thread.shutdown(wait=True)
    queue._log.close()


def first_segment(folder: Path) -> Path:
    return min(folder.glob("*.log"))


def damage(path: Path, offset: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


# --- order, depth, drain -------------------------------------------------------------------------------------


async def test_records_come_back_in_order_and_once_drained_stay_away(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path / "q", max_records=100)
    assert await fill(queue, [b"a", b"b", b""]) == [1, 2, 3]
    assert (queue.depth, queue.next_seq) == (3, 4)
    assert contents(queue) == [(1, b"a"), (2, b"b"), (3, b"")]
    assert [r.seq for r in queue.peek(2)] == [1, 2]
    await queue.drained(2)
    assert (queue.depth, queue.drained_seq) == (1, 2)
    await queue.close()
    assert inspect(tmp_path / "q") == QueueState(depth=1, next_seq=4, drained_seq=2)

    again = FileQueue.open(tmp_path / "q", max_records=100)
    assert contents(again) == [(3, b"")]
    assert await again.append(b"d") == 4
    await again.close()


def test_a_folder_that_was_never_opened_is_an_empty_queue(tmp_path: Path) -> None:
    assert inspect(tmp_path / "none") == QueueState(depth=0, next_seq=1, drained_seq=0)
    assert not (tmp_path / "none").exists()


async def test_a_full_queue_refuses_and_writes_nothing(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=2)
    answers = await asyncio.gather(*(queue.append(b"x") for _ in range(3)), return_exceptions=True)
    assert answers[:2] == [1, 2]
    assert isinstance(answers[2], QueueFullError)
    assert answers[2].is_definite
    await queue.drained(1)
    assert await queue.append(b"y") == 3
    await queue.close()
    assert inspect(tmp_path).depth == 2


async def test_only_what_is_stored_can_be_drained(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=2)
    await queue.append(b"x")
    with pytest.raises(ValueError, match="not stored"):
        await queue.drained(2)
    await queue.drained(1)
    await queue.drained(1)
    await queue.close()


async def test_a_segment_goes_only_when_all_of_it_is_drained(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=100, segment_bytes=SEGMENT)
    for _ in range(6):
        await fill(queue, [b"x" * 900] * 2)
    firsts = sorted(int(p.stem) for p in tmp_path.glob("*.log"))
    assert len(firsts) == 3
    await queue.drained(firsts[1] - 2)
    assert len(list(tmp_path.glob("*.log"))) == 3
    await queue.drained(firsts[1] - 1)
    assert sorted(int(p.stem) for p in tmp_path.glob("*.log")) == firsts[1:]
    await queue.drained(12)
    assert sorted(int(p.stem) for p in tmp_path.glob("*.log")) == firsts[2:]
    await queue.close()
    assert inspect(tmp_path) == QueueState(depth=0, next_seq=13, drained_seq=12)


async def test_a_record_longer_than_a_segment_is_refused(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=9, segment_bytes=SEGMENT)
    longest = SEGMENT - segment.HEADER_SIZE - record.OVERHEAD
    assert await fill(queue, [b"x" * longest, b"y" * longest]) == [1, 2]
    with pytest.raises(ValueError, match="does not fit"):
        await queue.append(b"x" * (longest + 1))
    assert [len(r.payload) for r in queue.peek(9)] == [longest, longest]
    await queue.close()


async def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=9)
    with pytest.raises(QueueLockedError):
        FileQueue.open(tmp_path, max_records=9)
    await queue.close()
    await FileQueue.open(tmp_path, max_records=9).close()


async def test_a_closed_queue_refuses_definitely(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=9)
    append = asyncio.create_task(queue.append(b"x"))
    await asyncio.sleep(0)
    await queue.close()
    assert await append == 1  # it was under way
    with pytest.raises(QueueFailedError) as refused:
        await queue.append(b"y")
    assert refused.value.is_definite
    await queue.close()


# --- acknowledgement and sync --------------------------------------------------------------------------------


async def acknowledged_before_synced(disk: MemoryDisk) -> list[int]:
    """Sequence numbers that were acknowledged while the disk did not have their records for good."""
    queue = FileQueue.open(FOLDER, max_records=10**4, segment_bytes=SEGMENT, files=disk)
    early: list[int] = []

    async def produce(name: int) -> None:
        for i in range(20):
            payload = b"%d-%d" % (name, i)
            seq = await queue.append(payload)
            wanted = record.frame(seq, 0, payload)[-len(payload) - 1 :]
            if not any(wanted in inode.kept for inode in disk.names_kept.values()):
                early.append(seq)

    async with asyncio.TaskGroup() as group:
        for name in range(16):
            group.create_task(produce(name))
    await queue.close()
    return early


async def test_no_acknowledgement_precedes_its_fdatasync() -> None:
    disk = MemoryDisk()
    assert await acknowledged_before_synced(disk) == []
    assert 20 <= disk.syncs < 16 * 20  # one sync for a group, not one for each record


async def test_a_missing_fdatasync_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    synced = Log.append

    def unsynced(log: Log, first_seq: int, frames: list[bytes]) -> Any:
        log._files.fdatasync = lambda fd: None  # type: ignore[method-assign]
        return synced(log, first_seq, frames)

    monkeypatch.setattr(Log, "append", unsynced)
    assert len(await acknowledged_before_synced(MemoryDisk())) > 300


class GatedFiles(OsFiles):
    """Every fdatasync of a segment waits until the gate opens; counts how many wait at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.syncs = self.under_way = self.most = 0
        self.error: OSError | None = None
        self.failing = "fdatasync"

    def fdatasync(self, fd: int) -> None:
        self.syncs += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        assert self.gate.wait(10)
        self.under_way -= 1
        self._maybe_fail("fdatasync")
        super().fdatasync(fd)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        self._maybe_fail("write")
        super().write(fd, data, offset)

    def _maybe_fail(self, operation: str) -> None:
        if self.error is not None and operation == self.failing:
            raise self.error


async def test_one_sync_is_in_flight_and_the_rest_form_the_next_group(tmp_path: Path) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    files.gate.clear()
    before = files.syncs
    first = asyncio.create_task(queue.append(b"first"))
    await until(lambda: files.syncs == before + 1)
    rest = [asyncio.create_task(queue.append(b"rest")) for _ in range(10)]
    await asyncio.sleep(0)
    assert not first.done()
    assert queue.depth == 11
    assert queue.peek(99) == []  # nothing is stored yet
    files.gate.set()
    assert await asyncio.gather(first, *rest) == list(range(1, 12))
    assert (files.syncs - before, files.most) == (2, 1)
    await queue.close()


@pytest.mark.parametrize(("failing", "code"), [("fdatasync", errno.EIO), ("write", errno.ENOSPC)])
async def test_a_failed_write_or_sync_is_fatal_and_never_retried(
    tmp_path: Path, failing: str, code: int
) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    assert await queue.append(b"good") == 1
    files.failing, files.error = failing, OSError(code, "broken")
    with pytest.raises(QueueFailedError) as failed:
        await queue.append(b"lost?")
    assert not failed.value.is_definite
    assert isinstance(failed.value.__cause__, OSError)
    files.error = None
    syncs = files.syncs
    with pytest.raises(QueueFailedError) as refused:
        await queue.append(b"later")
    assert refused.value.is_definite
    with pytest.raises(QueueFailedError):
        await queue.drained(1)
    assert contents(queue) == [(1, b"good")]
    await queue.close()
    assert files.syncs == syncs
    assert queue.failure is not None
    again = FileQueue.open(tmp_path, max_records=99)
    assert contents(again)[0] == (1, b"good")
    await again.close()


async def test_what_waited_behind_a_failed_group_is_definitely_not_stored(tmp_path: Path) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    files.gate.clear()
    files.error = OSError(errno.EIO, "broken")
    before = files.syncs
    group = asyncio.create_task(queue.append(b"group"))
    await until(lambda: files.syncs > before)
    behind = asyncio.create_task(queue.append(b"behind"))
    await asyncio.sleep(0)
    files.gate.set()
    answers = await asyncio.gather(group, behind, return_exceptions=True)
    assert [getattr(a, "is_definite", None) for a in answers] == [False, True]
    await queue.close()
    assert inspect(tmp_path).next_seq <= 2


async def test_a_cursor_that_cannot_be_written_is_fatal(tmp_path: Path) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    await fill(queue, [b"a", b"b"])
    files.failing, files.error = "write", OSError(errno.ENOSPC, "full")
    with pytest.raises(QueueFailedError):
        await queue.drained(1)
    with pytest.raises(QueueFailedError):
        await queue.append(b"c")
    await queue.close()
    assert inspect(tmp_path).drained_seq == 0


async def test_a_cancelled_append_may_be_stored_and_harms_nobody(tmp_path: Path) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    files.gate.clear()
    before = files.syncs
    cancelled = asyncio.create_task(queue.append(b"cancelled"))
    await until(lambda: files.syncs > before)
    other = asyncio.create_task(queue.append(b"other"))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    files.gate.set()
    assert await other == 2
    assert contents(queue) == [(1, b"cancelled"), (2, b"other")]
    await queue.close()


async def test_a_cancelled_drained_goes_on(tmp_path: Path) -> None:
    files = GatedFiles()
    queue = FileQueue.open(tmp_path, max_records=99, files=files)
    await fill(queue, [b"a", b"b"])
    files.gate.clear()
    before = files.syncs
    task = asyncio.create_task(queue.drained(1))
    await until(lambda: files.syncs > before)
    task.cancel()
    await asyncio.wait([task])
    files.gate.set()
    await until(lambda: queue.drained_seq == 1)
    assert contents(queue) == [(2, b"b")]
    await queue.close()


async def test_the_time_of_a_group_can_be_metered(tmp_path: Path) -> None:
    class Span:
        entered = left = 0

        def __enter__(self) -> None:
            self.entered += 1

        def __exit__(self, *error: object) -> None:
            self.left += 1

    span = Span()
    queue = FileQueue.open(tmp_path, max_records=99, committing=span)
    await fill(queue, [b"a"] * 5)
    await queue.close()
    assert (span.entered, span.left) == (1, 1)


# --- crashes -------------------------------------------------------------------------------------------------

payloads = st.lists(st.binary(max_size=700), min_size=1, max_size=6)
steps = st.one_of(
    st.tuples(st.just("append"), payloads),
    st.tuples(st.just("drain"), st.integers(1, 5)),
    st.tuples(st.just("crash"), st.integers(0, 2**32)),
    st.tuples(st.just("crash in append"), payloads, st.integers(0, 3), st.integers(0, 2**32)),
    st.tuples(st.just("kill in append"), payloads),
    st.tuples(st.just("crash in drain"), st.integers(1, 5), st.integers(0, 2**32)),
    st.tuples(st.just("restart")),
)


class Model:
    """What must be in the queue, whatever happened."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.acknowledged: dict[int, bytes] = {}
        self.attempted: dict[int, bytes] = {}
        self.drained = 0
        self.asked = 0

    def open(self) -> FileQueue:
        return FileQueue.open(FOLDER, max_records=10**6, segment_bytes=SEGMENT, files=self.disk)

    async def append(self, queue: FileQueue, data: list[bytes]) -> None:
        first = queue.next_seq
        self.attempted = dict(enumerate(data, first))
        answers = await asyncio.gather(*(queue.append(p) for p in data), return_exceptions=True)
        for seq, answer in enumerate(answers, first):
            if isinstance(answer, int):
                assert answer == seq
                self.acknowledged[seq] = self.attempted[seq]

    async def drain(self, queue: FileQueue, count: int) -> None:
        records = queue.peek(count)
        if not records:
            return
        self.asked = records[-1].seq
        try:
            await queue.drained(self.asked)
        except QueueFailedError:
            return
        self.drained = self.asked

    def check(self, queue: FileQueue) -> None:
        """All that was acknowledged and not drained is there, in order; what else is there was attempted."""
        assert self.drained <= queue.drained_seq <= max(self.asked, self.drained)
        found = contents(queue)
        assert [seq for seq, _ in found] == list(range(queue.drained_seq + 1, queue.next_seq))
        for seq, payload in found:
            assert payload == self.acknowledged.get(seq, self.attempted.get(seq))
        assert {s for s in self.acknowledged if s > queue.drained_seq} <= {s for s, _ in found}
        self.acknowledged = {s: p for s, p in self.acknowledged.items() if s <= queue.drained_seq}
        self.acknowledged.update(found)  # what survived is kept from now on


async def live(script: list[Any]) -> None:
    model = Model()
    queue = model.open()
    for step in script:
        if step[0] == "append":
            await model.append(queue, step[1])
            continue
        if step[0] == "drain":
            await model.drain(queue, step[1])
            continue
        if step[0] in {"crash in append", "kill in append"}:
            model.disk.fail_syncs = step[2] if len(step) > 2 else 0
            await model.append(queue, step[1])
        elif step[0] == "crash in drain":
            model.disk.fail_syncs = 0
            await model.drain(queue, step[1])
        model.disk.fail_syncs = None
        if step[0] == "restart":
            await queue.close()
        elif step[0] == "kill in append":
            killed(queue)  # what was written is seen, and nobody knows whether it was synced
        else:
            queue._thread.shutdown(wait=True)
            model.disk = model.disk.power_cut(step[-1])
        assert inspect(FOLDER, model.disk).depth >= 0  # reads, and changes nothing
        queue = model.open()
        model.check(queue)
    model.check(queue)
    await queue.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=14))
def test_every_acknowledged_record_outlives_any_power_cut(script: list[Any]) -> None:
    asyncio.run(live(script))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), payloads, st.data())
def test_a_tail_torn_at_any_byte_is_cut(
    stored: list[bytes], unsynced: list[bytes], data: st.DataObject
) -> None:
    async def run(folder: Path) -> None:
        queue = FileQueue.open(folder, max_records=99, segment_bytes=64 * 1024)
        for payload in stored:
            await queue.append(payload)
        end = queue._log._end
        killed(queue)
        tail = b"".join(record.frame(i, 0, p) for i, p in enumerate(unsynced, len(stored) + 1))
        cut = data.draw(st.integers(0, len(tail)))
        path = first_segment(folder)
        keeps_size = data.draw(st.booleans())
        kept = path.read_bytes()[:end] + tail[:cut]
        path.write_bytes(kept.ljust(64 * 1024, b"\0") if keeps_size else kept)

        before = path.read_bytes()
        assert inspect(folder).next_seq > len(stored)
        assert path.read_bytes() == before
        again = FileQueue.open(folder, max_records=99, segment_bytes=64 * 1024)
        found = [p for _, p in contents(again)]
        assert found[: len(stored)] == stored
        assert found == [*stored, *unsynced][: len(found)]
        await again.append(b"after")
        await again.close()
        assert inspect(folder).depth == len(found) + 1

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@pytest.mark.parametrize("ends", ["closed", "killed"])
async def test_no_flipped_bit_in_a_stored_record_is_skipped(tmp_path: Path, ends: str) -> None:
    queue = FileQueue.open(tmp_path, max_records=99, segment_bytes=SEGMENT)
    for payload in (b"first", b"", b"\0\0\0", b"last"):
        await queue.append(payload)
    end = queue._log._end
    if ends == "closed":
        await queue.close()
    else:
        killed(queue)
    path = first_segment(tmp_path)
    good = path.read_bytes()
    firsts, durable = 1, 4 if ends == "closed" else 0
    for offset in range(end):
        for bit in range(8):
            data = bytearray(good)
            data[offset] ^= 1 << bit
            with pytest.raises(CorruptQueueError) as found:
                segment.scan(path, bytes(data), firsts, durable)
            assert found.value.path == path
            assert found.value.offset <= offset
    assert len(segment.scan(path, good, firsts, durable).positions) == 4


async def test_a_flipped_bit_stops_the_opening_and_names_file_and_offset(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=99)
    await fill(queue, [b"one", b"two", b"three"])
    offset = queue._stored[1].offset
    killed(queue)
    path = first_segment(tmp_path)
    damage(path, offset + record.HEADER_SIZE)
    before = path.read_bytes()
    for opening in (
        lambda: inspect(tmp_path),
        lambda: FileQueue.open(tmp_path, max_records=99),
    ):
        with pytest.raises(CorruptQueueError) as found:
            opening()
        assert (found.value.path, found.value.offset) == (path, offset)
        assert str(path) in str(found.value)
    assert path.read_bytes() == before
    damage(path, offset + record.HEADER_SIZE)
    again = FileQueue.open(tmp_path, max_records=99)  # the lock was given back
    assert len(contents(again)) == 3
    await again.close()


async def test_what_was_cut_does_not_come_back(tmp_path: Path) -> None:
    """The second record of a torn group is whole, and would follow a new first one of the same length."""
    queue = FileQueue.open(tmp_path, max_records=99)
    await fill(queue, [b"a" * 1200, b"b" * 1200])
    killed(queue)
    path = first_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[512:1024] = bytes(512)
    path.write_bytes(data)
    queue = FileQueue.open(tmp_path, max_records=99)
    assert queue.depth == 0
    await queue.append(b"c" * 1200)
    killed(queue)
    again = FileQueue.open(tmp_path, max_records=99)
    assert contents(again) == [(1, b"c" * 1200)]
    await again.close()


async def test_a_drain_that_returned_outlives_a_power_cut() -> None:
    disk = MemoryDisk()
    queue = FileQueue.open(FOLDER, max_records=99, files=disk)
    await fill(queue, [b"a", b"b"])
    await queue.drained(1)
    for seed in range(20):
        assert inspect(FOLDER, disk.power_cut(seed)) == QueueState(1, 3, 1)
    await queue.close()


async def test_a_lost_sector_in_the_middle_is_found(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=99)
    for i in range(5):
        await queue.append(b"%d" % i * 400)
    killed(queue)
    path = first_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[512:1024] = bytes(512)
    path.write_bytes(data)
    with pytest.raises(CorruptQueueError):
        inspect(tmp_path)


async def test_a_bit_that_flips_while_the_queue_is_open_is_found_at_the_drain(
    tmp_path: Path,
) -> None:
    queue = FileQueue.open(tmp_path, max_records=99)
    await fill(queue, [b"one", b"two"])
    damage(first_segment(tmp_path), queue._stored[1].offset + record.HEADER_SIZE)
    assert [r.payload for r in queue.peek(1)] == [b"one"]
    with pytest.raises(CorruptQueueError):
        queue.peek(2)
    await queue.close()


@pytest.mark.parametrize("name", ["cursor", "first", "second", "last"])
async def test_a_file_that_is_missing_is_found(tmp_path: Path, name: str) -> None:
    queue = FileQueue.open(tmp_path, max_records=99, segment_bytes=SEGMENT)
    for _ in range(9):
        await queue.append(b"x" * 1500)
    await queue.close()
    logs = sorted(tmp_path.glob("*.log"))
    places = {"cursor": tmp_path / "cursor", "first": logs[0], "second": logs[1], "last": logs[-1]}
    places[name].unlink()
    with pytest.raises(CorruptQueueError):
        FileQueue.open(tmp_path, max_records=99, segment_bytes=SEGMENT)


async def test_a_damaged_cursor_is_found(tmp_path: Path) -> None:
    queue = FileQueue.open(tmp_path, max_records=99)
    await queue.append(b"x")
    await queue.close()
    damage(tmp_path / "cursor", 9)
    with pytest.raises(CorruptQueueError, match="cursor"):
        inspect(tmp_path)


async def test_the_segment_size_may_change_between_runs(tmp_path: Path) -> None:
    for size in (SEGMENT, 4 * SEGMENT, SEGMENT):
        queue = FileQueue.open(tmp_path, max_records=99, segment_bytes=size)
        await fill(queue, [b"x" * 1000] * 7)
        await queue.close()
    assert inspect(tmp_path).depth == 21
