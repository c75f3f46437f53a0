"""Stages that are ordered while the load runs: each once, in order, whole lines only; nobody waits for ever."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.load.orders import POLL_S, order, ordered
from flashdrill.load.schedule import arrivals
from flashdrill.model.scenario import Stage
from tests.unit.crowds import steady

ONE = Stage("one", 0.0, 2.0, (steady("order", 50, 2.0),))
TWO = Stage("two", 3.0, 2.0, (steady("order", 80, 2.0),))


def listen(path: Path, *moves: object) -> list[Stage]:
    """What is heard when each pause makes one of the moves; then it is stopped."""
    left = list(moves)

    def sleep(_seconds: float) -> None:
        move = left.pop(0)
        assert callable(move)
        move()

    return list(ordered(path, sleep=sleep, is_stopped=lambda: not left))


def test_stages_come_as_they_are_ordered_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    order(path, (ONE, TWO))
    order(path, ())
    assert list(ordered(path, sleep=pytest.fail, is_stopped=lambda: False)) == [ONE, TWO]


def test_a_line_that_is_not_whole_yet_waits_for_its_rest(tmp_path: Path) -> None:
    path, whole = tmp_path / "orders.jsonl", tmp_path / "whole.jsonl"
    order(whole, (ONE,))
    text = whole.read_bytes()
    heard = listen(
        path,
        lambda: path.write_bytes(text[:20]),
        lambda: None,
        lambda: path.write_bytes(text),
        lambda: None,
        lambda: None,
    )
    assert heard == [ONE]


def test_without_orders_it_ends_when_stopped_or_says_that_none_came(tmp_path: Path) -> None:
    assert listen(tmp_path / "none.jsonl", lambda: None, lambda: None) == []
    slept: list[float] = []
    with pytest.raises(StackError, match="no further stage was ordered within 60 s"):
        list(ordered(tmp_path / "none.jsonl", sleep=slept.append, is_stopped=lambda: False))
    assert sum(slept) == pytest.approx(60, abs=2 * POLL_S)


def test_ordered_stages_make_the_same_schedule_as_planned_ones() -> None:
    assert list(arrivals(iter((ONE, TWO)), 7)) == list(arrivals((ONE, TWO), 7))
    first = next(arrivals(iter((TWO,)), 7))
    assert first == next(islice(arrivals((TWO,), 7), 1))
