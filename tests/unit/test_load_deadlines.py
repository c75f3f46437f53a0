"""Deadlines under one timer: whoever waits too long is told, at the time, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from flashdrill.load.deadlines import Deadlines

MS = 10**6


class Timer:
    """One that fires when the test says what time it is."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._fires_ns = clock, clock.now_ns + round(seconds * 1e9)
        self._call: Callable[[], None] | None = None

    def start(self, call: Callable[[], None]) -> None:
        self._call = call
        self._clock.timers.append(self)

    def stop(self) -> None:
        if self in self._clock.timers:
            self._clock.timers.remove(self)

    def close(self) -> None:
        assert self not in self._clock.timers

    def fire(self) -> None:
        if self._fires_ns <= self._clock.now_ns and self._call is not None:
            self._call()


class Clock:
    """Time as the test has it, and the timers that are running."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.timers: list[Timer] = []
        self.deadlines = Deadlines(lambda: self.now_ns, lambda seconds: Timer(self, seconds))

    def at(self, now_ms: int) -> None:
        for ms in range(self.now_ns // MS, now_ms + 1):
            self.now_ns = ms * MS
            for timer in list(self.timers):
                timer.fire()


class Waiter:
    """Waits for one thing after another."""

    def __init__(self, clock: Clock) -> None:
        self.turn = 0
        self.late_ms: list[int] = []
        self._clock = clock

    def out_of_time(self) -> None:
        self.late_ms.append(self._clock.now_ns // MS)
        self.turn += 1

    def wait(self, until_ms: int) -> None:
        self.turn += 1
        self._clock.deadlines.add(until_ms * MS, self)


def test_whoever_waits_too_long_is_told_and_nobody_else() -> None:
    clock = Clock()
    patient, quick, stuck = Waiter(clock), Waiter(clock), Waiter(clock)
    stuck.wait(50)
    quick.wait(51)
    patient.wait(80)
    clock.at(10)
    quick.turn += 1  # it has its answer
    clock.at(60)
    assert (stuck.late_ms, quick.late_ms, patient.late_ms) == ([50], [], [])
    clock.at(100)
    assert patient.late_ms == [80]
    assert not clock.timers


def test_a_nearer_deadline_is_not_missed_behind_a_farther_one() -> None:
    clock = Clock()
    far, near = Waiter(clock), Waiter(clock)
    far.wait(100)
    near.wait(20)
    clock.at(30)
    assert near.late_ms == [20]
    assert len(clock.timers) == 1


def test_the_next_thing_has_a_deadline_of_its_own() -> None:
    clock = Clock()
    one = Waiter(clock)
    one.wait(20)
    one.turn += 1
    clock.at(10)
    one.wait(40)
    clock.at(30)
    assert one.late_ms == []
    clock.at(50)
    assert one.late_ms == [40]


def test_after_the_end_nobody_is_told() -> None:
    clock = Clock()
    one = Waiter(clock)
    one.wait(20)
    clock.deadlines.close()
    clock.deadlines.close()
    clock.at(30)
    assert one.late_ms == []
    assert not clock.timers


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(0, 80)),
        max_size=30,
    )
)
def test_each_is_told_at_its_deadline_unless_it_was_done_before(
    plans: list[tuple[int, int, int]],
) -> None:
    clock = Clock()
    waiters = [Waiter(clock) for _ in plans]
    for now_ms in range(130):
        clock.at(now_ms)
        for waiter, (begins_ms, lasts_ms, done_ms) in zip(waiters, plans, strict=True):
            if begins_ms == now_ms:
                waiter.wait(begins_ms + lasts_ms)
            if done_ms == now_ms > begins_ms and not waiter.late_ms:
                waiter.turn += 1
    for waiter, (begins_ms, lasts_ms, done_ms) in zip(waiters, plans, strict=True):
        is_late = not begins_ms < done_ms < begins_ms + lasts_ms
        assert waiter.late_ms == ([begins_ms + lasts_ms] if is_late else [])
