"""A link's chain: toxics come, change and go while data is in it; the source is held back in time."""

from __future__ import annotations

from collections.abc import Callable

from flashdrill.toxiproxy.embedded.link import Link, discard
from flashdrill.toxiproxy.embedded.room import BUFFER_BYTES, Room
from flashdrill.toxiproxy.embedded.toxic import Toxic
from flashdrill.toxiproxy.embedded.toxics import Latency


class End:
    """Both ends in one: what is written, and what the link does to the source."""

    def __init__(self) -> None:
        self.receive: Callable[[bytes], None] = discard
        self.written = b""
        self.is_closed = False
        self.is_paused = False
        self.buffered = 0
        self.high = 0

    def limit(self, size: int) -> None:
        self.high = size

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


def link(end: End, room: Room | None = None) -> Link:
    return Link(end, end, room=room or Room(), reset=end.close, random_key="k")


def latency(name: str = "slow", ms: int = 60_000) -> Toxic:
    return Toxic(name, "latency", "upstream", 1.0, {"latency": ms, "jitter": 0})


def stall() -> Toxic:
    return Toxic("stall", "bandwidth", "upstream", 1.0, {"rate": 0})


async def test_without_toxics_the_source_writes_to_the_destination() -> None:
    end = End()
    link(end)
    assert end.receive == end.write


async def test_removed_toxics_let_go_in_order() -> None:
    end = End()
    chain = link(end)
    slow, stalled, more = latency(), stall(), latency("more")
    chain.apply([slow, stalled, more])
    end.receive(b"ab")
    end.receive(b"cd")
    chain.apply([stalled, more])
    end.receive(b"ef")
    assert end.written == b""
    chain.apply([])
    assert end.written == b"abcdef"
    assert end.receive == end.write


async def test_the_end_of_the_source_waits_behind_the_data() -> None:
    end = End()
    chain = link(end)
    chain.apply([latency()])
    end.receive(b"ab")
    chain.source_ended()
    assert not end.is_closed
    chain.apply([])
    assert (end.written, end.is_closed, chain.is_over) == (b"ab", True, True)


async def test_a_changed_toxic_counts_for_what_is_held() -> None:
    end = End()
    chain = link(end)
    slow = latency()
    chain.apply([slow])
    end.receive(b"ab")
    slow.attributes = {"latency": 0, "jitter": 0}
    chain.retune(slow)
    assert end.written == b"ab"


async def test_the_source_is_held_back_while_a_stage_is_full() -> None:
    end = End()
    chain = link(end)
    chain.apply([stall()])
    end.receive(bytes(64 * 1024))
    assert not end.is_paused
    end.receive(b"x")
    assert end.is_paused
    chain.apply([])
    assert not end.is_paused
    assert len(end.written) == 64 * 1024 + 1


async def test_the_source_is_held_back_while_the_destination_is_full() -> None:
    end = End()
    chain = link(end)
    chain.block()
    assert end.is_paused
    chain.unblock()
    assert not end.is_paused


async def test_a_full_destination_lets_the_stages_fill_up_before_the_source_is_held_back() -> None:
    end = End()
    chain = link(end)
    chain.apply([latency()])
    window = Latency.MAX_BYTES
    assert end.high == window * 3 // 4
    end.buffered = end.high + 1
    chain.block()
    assert not end.is_paused
    end.receive(bytes(window // 4))
    assert end.is_paused
    end.buffered = 0
    chain.unblock()
    assert not end.is_paused
    chain.apply([latency(ms=0)])
    assert end.high == BUFFER_BYTES


async def test_links_with_toxics_share_the_room() -> None:
    room, ends = Room(), [End() for _ in range(20)]
    chains = [link(end, room) for end in ends]
    for chain, end in zip(chains, ends, strict=True):
        chain.apply([latency()])
        end.receive(bytes(4_000_000))
    assert room.held == 80_000_000
    assert [end.is_paused for end in ends].count(True) == 4  # those that came when it was full
    small, few = End(), BUFFER_BYTES
    late = link(small, room)
    late.apply([latency()])
    small.receive(bytes(few))
    assert not small.is_paused
    small.receive(b"x")
    assert small.is_paused
    for chain in chains[:10]:
        chain.apply([])
    for chain in chains[10:]:
        chain.dest_ended()
        chain.dest_ended()
    late.settle()
    assert (room.held, small.is_paused) == (few + 1, False)


async def test_nothing_is_held_for_a_destination_that_is_gone() -> None:
    end = End()
    chain = link(end)
    chain.apply([stall()])
    end.receive(bytes(100_000))
    chain.dest_ended()
    assert not end.is_paused
    end.receive(b"more")
    chain.apply([latency()])
    chain.source_ended()
    assert end.written == b""


async def test_removing_timeout_closes() -> None:
    end = End()
    chain = link(end)
    chain.apply([Toxic("t", "timeout", "upstream", 1.0, {"timeout": 0})])
    end.receive(b"dropped")
    chain.apply([])
    assert (end.written, end.is_closed) == (b"", True)
