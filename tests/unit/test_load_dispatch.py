from __future__ import annotations

from flashdrill.load.dispatch import BURST, STOP_CHECK_S, Walk
from flashdrill.load.schedule import Arrival

MS = 10**6


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)


def every(step_ms: int, count: int) -> list[Arrival]:
    return [Arrival(i * step_ms / 1000, "order", "rush", i) for i in range(count)]


def test_each_begins_when_due() -> None:
    clock, begun = Clock(), []
    walk = Walk(t0_ns=100 * MS, clock_ns=lambda: clock.now_ns, sleep=clock.sleep)
    walk.run(every(10, 5), lambda arrival, due_ns: begun.append((due_ns, clock.now_ns)))
    assert begun == [(t * MS, t * MS) for t in (100, 110, 120, 130, 140)]


def test_a_pause_of_the_process_shows_as_lateness_and_drops_nobody() -> None:
    clock, begun = Clock(), []
    walk = Walk(t0_ns=0, clock_ns=lambda: clock.now_ns, sleep=clock.sleep)

    def begin(arrival: Arrival, due_ns: int) -> None:
        begun.append((due_ns, clock.now_ns - due_ns))
        if arrival.index == 2:
            clock.now_ns += 3_000 * MS

    walk.run(every(10, 100), begin)
    assert [due_ns for due_ns, _ in begun] == [i * 10 * MS for i in range(100)]
    assert max(late for _, late in begun) == 2_990 * MS
    assert begun[2][1] == 0


def test_when_behind_the_others_get_a_turn() -> None:
    clock = Clock()
    clock.now_ns = 10**12
    walk = Walk(t0_ns=0, clock_ns=lambda: clock.now_ns, sleep=clock.sleep)
    walk.run(every(1, 10 * BURST), lambda arrival, due_ns: None)
    assert clock.slept == [0] * 10


def test_a_stop_is_noticed_soon() -> None:
    clock, begun = Clock(), []
    walk = Walk(t0_ns=0, clock_ns=lambda: clock.now_ns, sleep=clock.sleep)

    def begin(arrival: Arrival, due_ns: int) -> None:
        begun.append(arrival)
        walk.is_stopped = True

    walk.run([Arrival(5, "a", "s", 0), Arrival(500, "a", "s", 1)], begin)
    assert len(begun) == 1
    assert max(clock.slept) <= STOP_CHECK_S
