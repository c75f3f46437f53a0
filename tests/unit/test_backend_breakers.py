"""The breaker under asyncio: rate, sample, probes, cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.breakers import Breaker, BreakerOpenError
from backend.clock import ManualClock


class DependencyError(Exception):
    """The dependency is at fault."""


class AnswerError(Exception):
    """The dependency answered, and the answer is no."""


def breaker(clock: ManualClock, changes: list[str] | None = None, **settings: Any) -> Breaker:
    seen = changes if changes is not None else []
    return Breaker("shard0", clock, on_change=lambda name, state: seen.append(state), **settings)


async def call(guarded: Breaker, error: BaseException | None = None) -> None:
    async with guarded.guard():
        await asyncio.sleep(0)
        if error is not None:
            raise error


async def calls(guarded: Breaker, good: int = 0, bad: int = 0) -> None:
    for _ in range(good):
        await call(guarded)
    for _ in range(bad):
        with pytest.raises(DependencyError):
            await call(guarded, DependencyError())


async def opened(clock: ManualClock, **settings: Any) -> Breaker:
    guarded = breaker(clock, **settings)
    await calls(guarded, bad=10)
    assert guarded.state == "open"
    return guarded


async def test_it_trips_at_the_rate() -> None:
    changes: list[str] = []
    guarded = breaker(ManualClock(), changes)
    await calls(guarded, good=10, bad=9)
    assert guarded.state == "closed"
    await calls(guarded, bad=1)
    assert guarded.state == "open"
    assert changes == ["open"]
    with pytest.raises(BreakerOpenError) as refused:
        await call(guarded)
    assert refused.value.is_definite
    assert refused.value.retry_after_s == 5.0


async def test_it_does_not_trip_below_the_sample() -> None:
    guarded = breaker(ManualClock(), min_calls=10)
    await calls(guarded, bad=9)
    assert guarded.state == "closed"
    await calls(guarded, bad=1)
    assert guarded.state == "open"


async def test_it_does_not_trip_below_the_rate_however_many_fail() -> None:
    guarded = breaker(ManualClock())
    for _ in range(100):
        await calls(guarded, good=3, bad=2)
    assert guarded.state == "closed"


async def test_old_failures_are_forgotten() -> None:
    clock = ManualClock()
    guarded = breaker(clock, window_s=10)
    await calls(guarded, bad=9)
    clock.advance(10.1)
    await calls(guarded, good=5, bad=4)
    assert guarded.state == "closed"


async def test_answers_count_as_successes() -> None:
    guarded = breaker(ManualClock(), is_failure=lambda e: isinstance(e, DependencyError))
    for _ in range(50):
        with pytest.raises(AnswerError):
            await call(guarded, AnswerError())
    await calls(guarded, bad=49)
    assert guarded.state == "closed"
    await calls(guarded, bad=1)
    assert guarded.state == "open"


async def test_the_tripping_call_raises_its_own_error() -> None:
    guarded = breaker(ManualClock())
    await calls(guarded, bad=9)
    error = DependencyError("the tenth")
    with pytest.raises(DependencyError) as raised:
        await call(guarded, error)
    assert raised.value is error
    assert guarded.state == "open"


async def test_one_good_probe_closes_it() -> None:
    clock, changes = ManualClock(), []  # type: ignore[var-annotated]
    guarded = breaker(clock, changes, reset_s=5)
    await calls(guarded, bad=10)
    clock.advance(4.9)
    with pytest.raises(BreakerOpenError):
        await call(guarded)
    assert guarded.retry_after_s == pytest.approx(0.1)
    clock.advance(0.2)
    await call(guarded)
    assert changes == ["open", "half-open", "closed"]
    await calls(guarded, good=1, bad=8)  # it starts with a clean window
    assert guarded.state == "closed"


async def test_a_failing_probe_reopens_it_for_a_whole_reset_time() -> None:
    clock = ManualClock()
    guarded = await opened(clock)
    clock.advance(5.1)
    with pytest.raises(DependencyError):
        await call(guarded, DependencyError())
    assert guarded.state == "open"
    assert guarded.retry_after_s == 5.0
    clock.advance(5.1)
    await call(guarded)
    assert guarded.state == "closed"


async def test_a_probe_that_gets_an_answer_closes_it() -> None:
    clock = ManualClock()
    guarded = await opened(clock, is_failure=lambda e: isinstance(e, DependencyError))
    clock.advance(5.1)
    with pytest.raises(AnswerError):
        await call(guarded, AnswerError())
    assert guarded.state == "closed"


async def test_one_probe_enters_not_a_hundred() -> None:
    clock = ManualClock()
    guarded = await opened(clock)
    clock.advance(5.1)
    release = asyncio.Event()
    entered = 0

    async def probe() -> None:
        nonlocal entered
        async with guarded.guard():
            entered += 1
            await release.wait()

    tasks = [asyncio.create_task(probe()) for _ in range(100)]
    await asyncio.sleep(0)
    release.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == 1
    assert [type(a) for a in answers].count(BreakerOpenError) == 99
    assert guarded.state == "closed"


async def test_a_cancelled_probe_gives_its_permit_back_and_proves_nothing() -> None:
    clock = ManualClock()
    guarded = await opened(clock)
    clock.advance(5.1)

    async def probe() -> None:
        async with guarded.guard():
            await asyncio.sleep(60)

    task = asyncio.create_task(probe())
    await asyncio.sleep(0)
    with pytest.raises(BreakerOpenError):
        await call(guarded)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert guarded.state == "half-open"
    await call(guarded)
    assert guarded.state == "closed"


async def test_cancellations_are_neither_failures_nor_successes() -> None:
    guarded = breaker(ManualClock())

    async def hang() -> None:
        async with guarded.guard():
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(hang()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert guarded.state == "closed"
    await calls(guarded, bad=10)  # had they been successes, ten would not be half
    assert guarded.state == "open"


async def test_a_deadline_inside_is_a_failure() -> None:
    guarded = breaker(ManualClock())
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with guarded.guard(), asyncio.timeout(0.001):
                await asyncio.sleep(60)
    assert guarded.state == "open"


async def test_calls_that_began_before_the_trip_do_not_reopen_it() -> None:
    clock = ManualClock()
    guarded = breaker(clock)
    fail = asyncio.Event()

    async def slow() -> None:
        async with guarded.guard():
            await fail.wait()
            raise DependencyError

    late = [asyncio.create_task(slow()) for _ in range(20)]
    await asyncio.sleep(0)
    await calls(guarded, bad=10)
    clock.advance(5.1)
    await call(guarded)
    assert guarded.state == "closed"
    fail.set()
    await asyncio.wait(late)
    assert all(isinstance(task.exception(), DependencyError) for task in late)
    assert guarded.state == "closed"


async def test_concurrent_failures_trip_it_once() -> None:
    changes: list[str] = []
    guarded = breaker(ManualClock(), changes)
    together = (call(guarded, DependencyError()) for _ in range(50))
    await asyncio.gather(*together, return_exceptions=True)
    assert changes == ["open"]


async def test_a_stepped_wall_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    guarded = await opened(clock)
    clock.advance(5.1)
    guarded._circuit._state_storage.opened_at = clock.utcnow().replace(year=2099)
    await call(guarded)
    assert guarded.state == "closed"
