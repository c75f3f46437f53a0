from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.load.hall import clock_doubts, clocks, ended_from_outside, lost
from flashdrill.load.mirror import CHUNK_BYTES, RESEND_S, WINDOW_BYTES, Inbox, Outbox
from flashdrill.model.history import shifted, table_from_ops
from flashdrill.model.op import NOT_SENT
from tests.unit.test_load_record import op


def test_no_more_than_the_window_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "ops").write_bytes(b"x" * (3 * WINDOW_BYTES))
    outbox = Outbox(tmp_path / "ops")
    assert sum(len(data) for _, data in outbox.chunks(0)) == WINDOW_BYTES
    assert list(outbox.chunks(0.1)) == []
    outbox.acknowledged(CHUNK_BYTES, 0.2)
    assert [offset for offset, _ in outbox.chunks(0.3)] == [WINDOW_BYTES]
    assert not outbox.is_empty


@given(st.lists(st.sampled_from(["both", "chunk lost", "ack lost", "twice"]), max_size=40))
def test_a_mirror_is_exact_whatever_is_lost(
    tmp_path_factory: pytest.TempPathFactory, luck: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("mirror")
    content = bytes(range(256)) * (CHUNK_BYTES // 64)
    (folder / "ops").write_bytes(content)
    outbox, inbox, now_s = Outbox(folder / "ops"), Inbox(folder / "copy"), 0.0
    fates = iter(luck)
    for _ in range(200):
        for offset, data in outbox.chunks(now_s):
            fate = next(fates, "both")
            for _ in range({"chunk lost": 0, "twice": 2}.get(fate, 1)):
                size = inbox.take(offset, data)
                if fate != "ack lost":
                    outbox.acknowledged(size, now_s)
        if outbox.is_empty:
            break
        now_s += RESEND_S * 0.6
    inbox.close()
    assert outbox.is_empty
    assert (folder / "copy").read_bytes() == content


@pytest.mark.parametrize("written", [0, 7])
def test_a_chunk_that_the_disk_refuses_is_not_there_and_comes_again(
    tmp_path: Path, written: int
) -> None:
    inbox = Inbox(tmp_path / "copy")
    assert inbox.take(0, b"begin ") == 6
    real = inbox._file
    inbox._file = Full(real, written)  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        inbox.take(6, b"and go on")
    inbox._file = real
    assert inbox.take(6, b"and go on") == 15
    inbox.close()
    assert (tmp_path / "copy").read_bytes() == b"begin and go on"


class Full:
    """A file on a disk that has room for so many bytes more."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room
        self.truncate, self.seek = file.truncate, file.seek

    def write(self, data: bytes) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        size, self._room = self._room, 0
        return int(self._file.write(data[:size]))


def test_what_is_said_of_a_load_that_somebody_ended() -> None:
    def worker(number: int, *, interrupted: bool, name: str = "") -> dict[str, Any]:
        return {"worker": number, "interrupted": interrupted, "name": name}

    two = [worker(0, interrupted=False), worker(1, interrupted=True, name="b")]
    assert "worker 2 (b) was told to stop" in ended_from_outside({"workers": two})
    assert "the load process was told to stop" in ended_from_outside({})


def test_only_a_clock_that_is_badly_known_is_doubtful() -> None:
    def worker(number: int, error_ms: float) -> dict[str, object]:
        return {"worker": number, "name": f"host-{number}", "clock_error_ms": error_ms}

    (found,) = clock_doubts({"workers": [worker(0, 99.0), worker(1, 101.0)]})
    assert "worker 2 (host-1)" in found
    assert clock_doubts({"workers": [worker(0, 99.0)]}) == []
    assert clock_doubts({"event": "done"}) == []


def test_the_last_word_on_a_clock_counts_and_a_torn_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "master.jsonl"
    lines: list[dict[str, object]] = [
        {"event": "clock", "worker": 0, "shift_ns": 5, "error_ns": 1},
        {"event": "clock", "worker": 0, "shift_ns": 5, "error_ns": 9},
        {"event": "lost", "worker": 1, "name": "b", "why": "no shop"},
    ]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + b'{"eve')
    assert clocks(path)[0].error_ns == 9
    assert lost(path) == {1: "no shop"}
    assert clocks(tmp_path / "none") == {}


def test_times_are_moved_and_what_never_was_is_not() -> None:
    sent = op(0)
    unsent = msgspec.structs.replace(op(1), sent_ns=NOT_SENT)
    (batch,) = table_from_ops([sent, unsent]).to_batches()
    before, after = batch.to_pylist(), shifted(batch, 1_000).to_pylist()
    assert after[1]["sent_ns"] == NOT_SENT
    for old, new in zip(before, after, strict=True):
        assert new["due_ns"] - old["due_ns"] == new["done_ns"] - old["done_ns"] == 1_000
        moved = [
            a["sent_ns"] - b["sent_ns"]
            for a, b in zip(new["attempts"], old["attempts"], strict=True)
        ]
        assert set(moved) <= {1_000}
        same = [
            {k: v for k, v in row.items() if not k.endswith("_ns") and k != "attempts"}
            for row in (old, new)
        ]
        assert same[0] == same[1]
