"""One test of a master, on a clock of its own: who gets a share, and when enough has been heard."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flashdrill.load.account import Part
from flashdrill.load.round import BEGIN, CALL, CALLS, LAST_WORDS_S, LEAD_S, MUSTER_S, STOP, Round
from flashdrill.load.shares import Orders, Share
from flashdrill.load.spec import CrowdSpec

EPOCH_NS = 1_700_000_000_000_000_000
PART = Part(7, {"due": 7, "sent": 7, "ok": 7}, 1.0)


def no_spec(share: Share) -> CrowdSpec:
    raise AssertionError(share)


class World:
    """Workers that answer, or do not, and a clock that goes on only when somebody sleeps."""

    def __init__(self, *workers: str, mute: tuple[str, ...] = ()) -> None:
        self.now_s = 0.0
        self.mute, self.lost, self.ends_at = set(mute), set[str](), dict.fromkeys(workers, 5.0)
        self.ahead_ns = dict.fromkeys(workers, 0)
        self.stop_at: float | None = None
        self.sent: list[tuple[str, str, Mapping[str, Any]]] = []
        orders = Orders("party", 3, (), lambda _: Path(), no_spec)
        self.round = Round(
            orders,
            self,
            workers,
            sleep=self.sleep,
            epoch_ns=self.epoch_ns,
            clock_s=lambda: self.now_s,
        )

    def epoch_ns(self) -> int:
        return EPOCH_NS + round(self.now_s * 1e9)

    def send(self, worker: str, kind: str, data: Mapping[str, Any]) -> None:
        self.sent.append((worker, kind, data))
        if kind == CALL and worker not in self.mute:
            self.round.here(worker, {**data, "told_ns": self.epoch_ns() + self.ahead_ns[worker]})
        if kind == STOP:
            self.ends_at[worker] = min(self.ends_at[worker], self.now_s + 1)

    def is_lost(self, worker: str) -> bool:
        return worker in self.lost

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        if self.stop_at is not None and self.now_s >= self.stop_at:
            self.round.stop()
        for worker, end_s in self.ends_at.items():
            if self.now_s >= end_s and worker not in self.lost:
                self.say(worker)

    def say(self, worker: str) -> None:
        self.round.ended(worker, {"round": self.round.number, **PART.message()})

    def conduct(self) -> None:
        self.round.muster()
        self.round.watch()

    def shares(self) -> dict[str, Share]:
        return {name: Share.from_message(data) for name, kind, data in self.sent if kind == BEGIN}


def test_all_who_answer_get_a_share_and_one_start() -> None:
    world = World("a", "b")
    world.ahead_ns["b"] = 3_000_000_000
    world.conduct()
    first, second = world.shares().values()
    assert (first.worker, second.worker, first.workers, second.workers) == (0, 1, 2, 2)
    assert first.epoch_ns == second.epoch_ns == EPOCH_NS + round((0.1 * CALLS + LEAD_S) * 1e9)
    assert second.clock.correction_ns == 3_000_000_000
    assert world.round.account.is_complete


def test_who_does_not_answer_gets_none_and_the_others_share_the_schedule(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("a", "b", "c", mute=("b",))
    world.conduct()
    assert world.now_s >= MUSTER_S
    assert {name: (s.worker, s.workers) for name, s in world.shares().items()} == {
        "a": (0, 2),
        "c": (1, 2),
    }
    assert "1 of 3 workers did not answer" in caplog.text


def test_nobody_waits_for_a_worker_that_is_lost_before_the_start() -> None:
    world = World("a", "b", mute=("b",))
    world.lost.add("b")
    world.round.muster()
    assert world.now_s < 1
    assert list(world.shares()) == ["a"]


def test_a_worker_that_is_lost_is_told_of_once_and_the_others_are_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("a", "b")
    world.round.muster()
    world.lost.add("b")
    with caplog.at_level(logging.ERROR):
        world.round.watch()
    assert world.now_s >= 5
    assert caplog.text.count("worker 2 of 2 is gone") == 1
    assert "the load is smaller than the schedule" in caplog.text
    assert not world.round.account.is_complete
    assert [share.worker for share in world.round.account.missing] == [1]


def test_a_worker_that_comes_back_is_waited_for_again() -> None:
    world = World("a", "b")
    world.ends_at["b"] = 8.0
    world.round.muster()
    world.lost.add("b")
    plain_sleep = world.sleep

    def sleep(seconds: float) -> None:
        plain_sleep(seconds)
        if world.now_s >= 3:
            world.lost.clear()

    world.round._sleep = sleep
    world.round.watch()
    assert world.round.account.is_complete


def test_a_stop_is_told_to_all_and_their_last_words_count() -> None:
    world = World("a", "b")
    world.stop_at = 2.0
    world.conduct()
    assert [(name, kind) for name, kind, _ in world.sent if kind == STOP] == [
        ("a", STOP),
        ("b", STOP),
    ]
    assert world.now_s < 5
    assert world.round.account.is_stopped
    assert not world.round.account.missing


def test_after_a_stop_a_silent_worker_is_not_waited_for_for_ever() -> None:
    world = World("a", "b")
    world.stop_at = 2.0
    world.round.muster()
    world.lost.add("b")
    world.round._link.is_lost = lambda worker: False  # type: ignore[method-assign]
    world.round.watch()
    assert 2 + LAST_WORDS_S < world.now_s < 2 + LAST_WORDS_S + 1
    assert [share.worker for share in world.round.account.missing] == [1]


def test_a_stop_before_the_start_gives_no_shares() -> None:
    world = World("a", mute=("a",))
    world.stop_at = 1.0
    world.conduct()
    assert not world.shares()
    assert world.round.account.document()["reasons"] == ["stopped before its end"]


def test_what_is_said_of_another_round_does_not_count() -> None:
    world = World("a")
    world.round.muster()
    world.round.ended("a", {"round": world.round.number - 1, **PART.message()})
    world.round.ended("stranger", {"round": world.round.number, **PART.message()})
    assert not world.round.account.parts
    world.say("a")
    assert list(world.round.account.parts) == ["a"]
