"""Conditions on seconds of load: each comes true, and stays silent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flashdrill.plan.conditions import parse_condition
from flashdrill.rehearsal.live_numbers import LiveNumbers, measured
from tests.unit.told import operation, second

LOAD_S = 60.0


def _after(*seconds: dict[str, Any]) -> LiveNumbers:
    """Numbers that have heard these operations, one second after the other."""
    numbers = LiveNumbers(LOAD_S)
    for end_s, operations in enumerate(seconds, 1):
        numbers.take(second(end_s, **operations))
    return numbers


def _is_true(text: str, *seconds: dict[str, Any]) -> bool:
    return _after(*seconds).is_true(parse_condition(text))


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("rate(place_order) > 29/s", True),
        ("rate(place_order) > 30/s", False),
        ("rate(get_order) < 1/s", True),
        ("error_rate(place_order) >= 25%", True),
        ("error_rate(place_order) > 25%", False),
        ("refusal_rate(place_order) > 24%", True),
        ("refusal_rate(place_order) > 25%", False),
        ("p99(place_order) > 190ms", True),
        ("p99(place_order) > 210ms", False),
        ("max(place_order) < 210ms", True),
        ("error_rate(get_order) < 1%", False),
        ("error_rate(get_order) >= 0%", False),
        ("p99(get_order) < 1s", False),
    ],
)
def test_a_second_answers_a_condition(text: str, is_true: bool) -> None:
    order = operation(ok=30, fail=10, info=5, refused=15, took_s=0.2)
    assert _is_true(text, {"place_order": order}) is is_true


def test_without_an_operation_a_condition_is_about_all() -> None:
    both = {"place_order": operation(ok=10), "get_order": operation(fail=10)}
    assert _is_true("error_rate >= 50%", both)
    assert _is_true("rate < 11/s", both)
    assert not _is_true("error_rate(place_order) > 0%", both)


def test_for_must_hold_on_end() -> None:
    good, bad = {"buy": operation(ok=10)}, {"buy": operation(fail=10)}
    text = "error_rate(buy) > 50% for 3s"
    assert _is_true(text, good, bad, bad, bad)
    assert not _is_true(text, bad, bad, good, bad)
    assert not _is_true(text, bad, bad, bad, good)
    assert not _is_true(text, bad, bad), "it has not lasted as long"
    assert not _is_true(text, bad, {}, bad), "a second that says nothing is not true"


def test_percentiles_of_a_window_are_of_its_operations_together() -> None:
    quick, slow = operation(ok=98, took_s=0.01), operation(ok=2, took_s=1.0)
    numbers = _after({"buy": quick}, {"buy": slow})
    value = measured(numbers.between(0, 2), parse_condition("p98(buy) < 1s"))
    assert value == pytest.approx(0.01, rel=0.02)
    value = measured(numbers.between(0, 2), parse_condition("p99(buy) < 1s"))
    assert value == pytest.approx(1.0, rel=0.02)
    assert measured(numbers.between(0, 2), parse_condition("rate(buy) < 1/s")) == 50.0


def test_a_rate_is_of_the_time_that_really_passed() -> None:
    numbers = LiveNumbers(LOAD_S)
    numbers.take(second(1.0))
    numbers.take(second(3.0, buy=operation(ok=20)))
    assert not numbers.is_true(parse_condition("rate(buy) > 10/s"))


def test_what_ends_after_the_load_is_not_looked_at() -> None:
    numbers = LiveNumbers(2.0)
    for end_s in (1.0, 2.0):
        numbers.take(second(end_s, buy=operation(ok=20)))
    assert numbers.take(second(3.0)) is None
    assert numbers.take(second(3.2)) is None
    assert not numbers.is_true(parse_condition("rate(buy) < 10/s"))


async def test_until_waits_for_the_second_that_makes_it_true() -> None:
    numbers = _after({"buy": operation(fail=1)})
    waiting = asyncio.create_task(numbers.until(parse_condition("error_rate(buy) > 50% for 2s")))
    await asyncio.sleep(0)
    numbers.take(second(2.0, buy=operation(ok=1)))
    numbers.take(second(3.0, buy=operation(fail=1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    numbers.take(second(4.0, buy=operation(fail=1)))
    numbers.take(second(5.0, buy=operation(ok=1)))  # heard in the same breath: it was true before
    assert await asyncio.wait_for(waiting, 1.0) > 0


async def test_until_waits_for_a_new_second() -> None:
    numbers = _after({"buy": operation(fail=1)})
    waiting = asyncio.create_task(numbers.until(parse_condition("error_rate(buy) > 50%")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    numbers.take(second(2.0, buy=operation(fail=1)))
    await asyncio.wait_for(waiting, 1.0)


async def test_a_wait_that_was_cancelled_is_forgotten() -> None:
    numbers = LiveNumbers(LOAD_S)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(numbers.until(parse_condition("rate > 1/s")), 0.001)
    numbers.take(second(1.0, buy=operation(ok=5)))
