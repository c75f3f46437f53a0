"""The scaled clock, the clock of tests, the sliding window and the event log."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.clock import Clock, ManualClock
from backend.events import EventLog
from backend.window import SlidingWindow


def test_nominal_time_runs_faster_by_the_scale() -> None:
    real = iter([100.0, 103.0])
    clock = Clock(time_scale=10, monotonic=lambda: next(real))
    assert -clock.now() + clock.now() == pytest.approx(30)
    assert clock.real_s(30) == pytest.approx(3)


def test_the_wall_clock_is_not_scaled() -> None:
    moment = datetime(2026, 1, 27, tzinfo=UTC)
    assert Clock(time_scale=10, wall=lambda: moment).utcnow() == moment
    assert Clock().utcnow().tzinfo is UTC


def test_a_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(time_scale=0)


async def test_sleep_lasts_the_real_part() -> None:
    clock = Clock(time_scale=1000)
    start = clock.now()
    await clock.sleep(10)
    assert clock.now() - start >= 9.9


async def test_a_manual_clock_wakes_sleepers_in_order() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(seconds))
        await asyncio.sleep(0)
        clock.advance(2.5)
        await asyncio.sleep(0)
        assert woken == [1.0, 2.0]
        clock.advance(0.5)
    assert woken == [1.0, 2.0, 3.0]
    assert (clock.utcnow() - datetime(2026, 1, 27, tzinfo=UTC)).total_seconds() == 3.0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait([sleeper])
    clock.advance(2)
    await clock.sleep(0)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)


def test_a_window_forgets_whole_slices() -> None:
    window = SlidingWindow(10, slices=10)
    for second in range(20):
        window.add(second % 2 == 0, second + 0.5)
    assert window.totals(19.9) == (5, 10)
    assert window.totals(24.5) == (2, 5)
    assert window.totals(100) == (0, 0)
    window.clear()
    assert window.totals(19.9) == (0, 0)


def test_a_window_looks_further_back_for_enough_calls() -> None:
    window = SlidingWindow(60, slices=60)
    for second in range(60):
        window.add(second < 30, second + 0.5)
    assert window.last(59.9, slices=10, min_calls=0) == (0, 10)
    assert window.last(59.9, slices=10, min_calls=40) == (10, 40)
    assert window.last(59.9, slices=10, min_calls=1000) == (30, 60)


def test_events_are_lines_that_outlive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, monotonic_ns=lambda: 7)
    log.emit("breaker", "shard0", state="open")
    assert json.loads(path.read_text()) == {  # before any close
        "t_mono_ns": 7,
        "event": "breaker",
        "target": "shard0",
        "state": "open",
    }
    log.close()
    log.emit("stop")
    again = EventLog(path)
    again.emit("start")
    again.close()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == [
        "breaker",
        "start",
    ]


def test_without_a_path_no_events_are_written() -> None:
    log = EventLog("")
    log.emit("start")
    log.close()
