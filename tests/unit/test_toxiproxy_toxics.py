"""The toxics on a clock that only the test moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from flashdrill.toxiproxy.embedded.stage import Stage
from flashdrill.toxiproxy.embedded.toxic import Toxic
from flashdrill.toxiproxy.embedded.toxics import KINDS, slices


class Timer:
    """A callback that can be cancelled."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Lab:
    """The surroundings of stages, and the far end that notes (time, data); None is the end."""

    def __init__(self) -> None:
        self.time = 100.0
        self.rng = Random(1)
        self.seen: list[tuple[float, bytes | None]] = []
        self.resets: list[float] = []
        self._timers: list[tuple[float, int, Timer]] = []

    def now(self) -> float:
        return self.time

    def later(self, delay_s: float, callback: Callable[[], None]) -> Any:
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.time + delay_s, len(self._timers), timer))
        return timer

    def settle(self) -> None:
        pass

    def reset(self) -> None:
        self.resets.append(round(self.time - 100, 6))

    def feed(self, data: bytes, at: float) -> None:
        self.seen.append((round(self.time - 100, 6), data))

    def feed_eof(self) -> None:
        self.seen.append((round(self.time - 100, 6), None))

    def stage(self, kind: str, onward: Any = None, **attributes: int) -> Stage:
        full = {**dict.fromkeys(KINDS[kind].names, 0), **attributes}
        stage = KINDS[kind](self, full, onward or self)  # type: ignore[arg-type]
        stage.start()
        return stage

    def run(self, duration_s: float) -> None:
        end = self.time + duration_s
        while self._timers and self._timers[0][0] <= end:
            self.time, _, timer = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                timer.callback()
        self.time = end

    def send(self, stage: Stage, data: bytes) -> None:
        stage.feed(data, self.time)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_latency_is_pipelined_and_lets_the_end_wait_its_turn(lab: Lab) -> None:
    stage = lab.stage("latency", latency=100)
    lab.send(stage, b"a")
    lab.run(0.05)
    lab.send(stage, b"b")
    stage.feed_eof()
    assert stage.held == 2
    lab.run(1)
    assert lab.seen == [(0.1, b"a"), (0.15, b"b"), (0.15, None)]
    assert stage.held == 0


def test_the_end_alone_is_not_delayed_by_latency(lab: Lab) -> None:
    lab.stage("latency", latency=100).feed_eof()
    assert lab.seen == [(0.0, None)]


def test_latencies_add_up(lab: Lab) -> None:
    first = lab.stage("latency", lab.stage("latency", latency=100), latency=50)
    lab.send(first, b"a")
    lab.run(0.01)
    lab.send(first, b"b")
    lab.run(1)
    assert lab.seen == [(0.15, b"a"), (0.16, b"b")]


def test_jitter_keeps_order_and_never_goes_below_zero(lab: Lab) -> None:
    stage = lab.stage("latency", latency=10, jitter=50)
    for n in range(100):
        lab.send(stage, bytes([n]))
    lab.run(1)
    times = [t for t, _ in lab.seen]
    assert [data for _, data in lab.seen] == [bytes([n]) for n in range(100)]
    assert times == sorted(times)
    assert max(times) <= 0.06


def test_jitter_is_spread_both_ways(lab: Lab) -> None:
    times = []
    for _ in range(200):
        stage, start = lab.stage("latency", latency=100, jitter=50), lab.time - 100
        lab.send(stage, b"x")
        lab.run(1)
        times.append(lab.seen[-1][0] - start)
    assert 0.05 <= min(times) < 0.07
    assert 0.13 < max(times) <= 0.15


def test_a_lower_latency_counts_from_the_arrival_of_what_is_held(lab: Lab) -> None:
    stage = lab.stage("latency", latency=1000)
    lab.send(stage, b"a")
    lab.run(0.2)
    lab.send(stage, b"b")
    stage.retune({"latency": 100, "jitter": 0})
    lab.run(1)
    assert lab.seen == [(0.2, b"a"), (0.3, b"b")]


def test_a_negative_latency_is_none(lab: Lab) -> None:
    lab.send(lab.stage("latency", latency=-5), b"a")
    assert lab.seen == [(0.0, b"a")]


@pytest.mark.parametrize("kind", ["latency", "bandwidth", "reset_peer", "slicer"])
def test_release_passes_on_everything_in_order(lab: Lab, kind: str) -> None:
    slow = {"latency": 1000, "timeout": 1000, "average_size": 1, "delay": 10**6}
    stage = lab.stage(kind, **{k: v for k, v in slow.items() if k in KINDS[kind].names})
    lab.send(stage, b"abc")
    lab.send(stage, b"def")
    stage.feed_eof()
    stage.release()
    assert b"".join(data or b"" for _, data in lab.seen) == b"abcdef"
    assert lab.seen[-1] == (0.0, None)
    assert stage.held == 0
    lab.run(10)
    assert lab.resets == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_stopped_stage_does_nothing_more(lab: Lab, kind: str) -> None:
    slow = {
        "latency": 1000,
        "timeout": 1000,
        "average_size": 1,
        "delay": 10**6,
        "rate": 1,
        "bytes": 9,
    }
    stage = lab.stage(kind, **{k: v for k, v in slow.items() if k in KINDS[kind].names})
    lab.send(stage, bytes(3000))
    stage.stop()
    seen = list(lab.seen)
    lab.run(100)
    assert lab.seen == seen
    assert lab.resets == []
    assert stage.held == 0


def test_bandwidth_takes_its_time_in_pieces(lab: Lab) -> None:
    stage = lab.stage("bandwidth", rate=100)
    lab.send(stage, bytes(25_000))
    stage.feed_eof()
    lab.run(1)
    assert [(t, data if data is None else len(data)) for t, data in lab.seen] == [
        (0.1, 10_000),
        (0.2, 10_000),
        (0.25, 5_000),
        (0.25, None),
    ]


def test_bandwidth_saves_nothing_up(lab: Lab) -> None:
    stage = lab.stage("bandwidth", rate=100)
    lab.run(10)
    lab.send(stage, bytes(10_000))
    lab.run(1)
    assert lab.seen == [(10.1, bytes(10_000))]


def test_bandwidth_zero_stalls_and_a_new_rate_counts_from_then(lab: Lab) -> None:
    stage = lab.stage("bandwidth", rate=0)
    lab.send(stage, bytes(10_000))
    stage.feed_eof()
    lab.run(10)
    assert lab.seen == []
    stage.retune({"rate": 100})
    lab.run(1)
    assert lab.seen == [(10.1, bytes(10_000)), (10.1, None)]


def test_slow_close_delays_the_end(lab: Lab) -> None:
    stage = lab.stage("slow_close", delay=500)
    lab.send(stage, b"a")
    stage.feed_eof()
    lab.run(1)
    assert lab.seen == [(0.0, b"a"), (0.5, None)]


def test_timeout_closes_after_silence(lab: Lab) -> None:
    stage = lab.stage("timeout", timeout=100)
    for _ in range(5):
        lab.run(0.08)
        lab.send(stage, b"dropped")
    lab.run(1)
    assert lab.seen == [(0.5, None)]


def test_timeout_zero_never_closes_until_it_is_removed(lab: Lab) -> None:
    stage = lab.stage("timeout", timeout=0)
    lab.send(stage, b"dropped")
    lab.run(1000)
    assert lab.seen == []
    stage.release()
    assert lab.seen == [(1000.0, None)]


def test_timeout_passes_the_end_on(lab: Lab) -> None:
    lab.stage("timeout", timeout=0).feed_eof()
    assert lab.seen == [(0.0, None)]


@pytest.mark.parametrize("is_end", [False, True])
def test_reset_peer_fires_after_the_first_arrival(lab: Lab, is_end: bool) -> None:
    stage = lab.stage("reset_peer", timeout=100)
    lab.run(1)
    assert lab.resets == []
    if is_end:
        stage.feed_eof()
    else:
        lab.send(stage, b"a")
    lab.run(0.05)
    lab.send(stage, b"b")
    lab.run(1)
    assert (lab.resets, lab.seen) == ([1.1], [])


def test_limit_data_closes_at_the_limit(lab: Lab) -> None:
    stage = lab.stage("limit_data", bytes=5)
    for data in (b"abc", b"def", b"ghi"):
        lab.send(stage, data)
    assert lab.seen == [(0.0, b"abc"), (0.0, b"de"), (0.0, None)]


def test_limit_data_remembers_over_a_change(lab: Lab) -> None:
    stage = lab.stage("limit_data", bytes=5)
    lab.send(stage, b"abc")
    stage.retune({"bytes": 4})
    lab.send(stage, b"def")
    assert lab.seen == [(0.0, b"abc"), (0.0, b"d"), (0.0, None)]


def test_slicer_sends_pieces_apart(lab: Lab) -> None:
    stage = lab.stage("slicer", average_size=4, delay=10_000)
    lab.send(stage, b"abcdefgh")
    stage.feed_eof()
    lab.run(1)
    assert lab.seen == [(0.0, b"abcd"), (0.01, b"efgh"), (0.02, None)]


@pytest.mark.parametrize(
    ("size", "average", "variation"),
    [(1, 0, 0), (1000, 0, 0), (1000, 10, 0), (1000, 10, 5), (64, 3, 90)],
)
def test_slices_cover_everything_once(size: int, average: int, variation: int) -> None:
    pieces = list(slices(size, average, variation, Random(3)))
    assert pieces[0][0] == 0
    assert pieces[-1][1] == size
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert all(end > start for start, end in pieces)
    assert all(end - start <= max(1, average) + variation for start, end in pieces)


def toxic(toxicity: float, name: str = "t") -> Toxic:
    return Toxic(name, "noop", "downstream", toxicity, {})


def test_toxicity_chooses_a_share_the_same_for_a_seed_and_nested() -> None:
    def chosen(toxicity: float, seed: int = 1, name: str = "t") -> set[int]:
        return {n for n in range(1000) if toxic(toxicity, name).chooses(seed, "p", n)}

    assert chosen(0) == set()
    assert chosen(1) == set(range(1000))
    assert 220 < len(chosen(0.3)) < 380
    assert chosen(0.3) == chosen(0.3) != chosen(0.3, seed=2)
    assert chosen(0.3) != chosen(0.3, name="u")
    assert chosen(0.3) < chosen(0.6)
