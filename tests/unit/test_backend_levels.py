"""The level rules: when they fire, when they stay silent, how they are left."""

from __future__ import annotations

import random

import pytest

from backend.clock import ManualClock
from backend.levels import DegradationController, LevelRule


class Shard:
    """A rule under a steady stream of calls."""

    def __init__(self, rate_per_s: float = 20.0, seed: int = 1, **settings: float) -> None:
        self.rule = LevelRule(**settings)  # type: ignore[arg-type]
        self.now = 1000.0
        self._step = 1 / rate_per_s
        self._rng = random.Random(seed)
        self.changes: list[tuple[float, int]] = []
        self._last = 0

    def run(self, seconds: float, failing: float = 0.0) -> int:
        """So many seconds of calls of which this share fails; the level at their end."""
        end = self.now + seconds
        while self.now < end:
            self.now += self._step
            self.rule.record(self._rng.random() >= failing, self.now)
            level = self.rule.level(self.now)
            if level != self._last:
                self.changes.append((self.now, level))
                self._last = level
        return self._last


def test_a_healthy_shard_stays_at_level_0() -> None:
    assert Shard().run(600, failing=0.005) == 0


def test_a_dead_shard_reaches_its_level_after_thirty_seconds_and_not_before() -> None:
    shard = Shard()
    shard.run(60)
    start = shard.now
    shard.run(40, failing=1.0)
    (reached, level), *_ = shard.changes
    assert level == 2
    assert 29.5 <= reached - start <= 32


@pytest.mark.parametrize(("failing", "level"), [(0.05, 1), (0.3, 2)])
def test_a_lasting_share_of_failures_reaches_its_level(failing: float, level: int) -> None:
    shard = Shard(rate_per_s=200)
    assert shard.run(29) == 0
    assert shard.run(60, failing=failing) == level
    assert shard.changes[0][1] == 1 or level == 2


def test_a_share_below_the_threshold_does_not() -> None:
    shard = Shard(rate_per_s=200)
    assert shard.run(300, failing=0.02) == 0
    assert shard.changes == []


def test_a_short_outage_does_not() -> None:
    shard = Shard()
    for _ in range(5):
        shard.run(15)
        shard.run(20, failing=1.0)
    shard.run(60)
    assert shard.changes == []


def test_too_few_calls_say_nothing() -> None:
    shard = Shard(rate_per_s=0.5)  # 15 in the window, and 20 are needed
    assert shard.run(300, failing=1.0) == 0
    shard = Shard(rate_per_s=1.0)
    assert shard.run(300, failing=1.0) == 2


def test_refused_calls_keep_the_rate_up() -> None:
    """What happens without them: a breaker lets one probe through now and then, and the rate is lost."""
    probes_only = Shard(rate_per_s=0.2)
    assert probes_only.run(120, failing=1.0) == 0
    with_refusals = Shard(rate_per_s=20)
    assert with_refusals.run(120, failing=1.0) == 2


def degraded() -> Shard:
    shard = Shard()
    assert shard.run(40, failing=1.0) == 2
    return shard


def test_a_level_is_left_after_a_good_stretch() -> None:
    shard = degraded()
    good = shard.now
    shard.run(60)
    assert shard.changes[-1][1] == 0
    assert 10 <= shard.changes[-1][0] - good <= 20


def test_few_good_samples_are_enough_to_leave() -> None:
    shard = degraded()
    shard._step = 1.0  # a probe a second
    assert shard.run(60) == 0


def test_a_level_is_not_left_between_the_thresholds() -> None:
    shard = Shard(rate_per_s=200)
    shard.run(60, failing=0.05)
    assert shard.run(300, failing=0.025) == 1  # under 3 %, over 1.5 %
    assert shard.run(60, failing=0.0) == 0


def test_a_bad_probe_in_the_good_stretch_starts_it_anew() -> None:
    shard = degraded()
    shard.run(8)
    shard.run(1, failing=1.0)
    assert shard.run(8) == 2


def test_without_calls_a_level_stays() -> None:
    shard = degraded()
    assert shard.rule.level(shard.now + 3600) == 2
    assert LevelRule().level(12345.0) == 0


def test_level_2_is_left_before_level_1() -> None:
    shard = Shard(rate_per_s=200)
    assert shard.run(60, failing=0.5) == 2
    assert shard.run(60, failing=0.025) == 1
    assert shard.run(60) == 0


def test_the_answer_does_not_depend_on_how_often_one_asks() -> None:
    asked, silent = LevelRule(), LevelRule()
    for tick in range(400):
        now = 500 + tick / 10
        asked.record(False, now)
        asked.level(now)
        silent.record(False, now)
    assert asked.level(600.0) == silent.level(600.0) == 2


def test_the_controller_tells_changes_once_and_keeps_shards_apart() -> None:
    clock = ManualClock()
    changes: list[tuple[str, int]] = []
    controller = DegradationController(
        ["shard0", "shard1"], clock, on_change=lambda shard, level: changes.append((shard, level))
    )
    for _ in range(800):
        clock.advance(0.05)
        controller.record("shard0", False)
        controller.record("shard1", True)
    assert (controller.level("shard0"), controller.level("shard1")) == (2, 0)
    assert changes == [("shard0", 2)]
    for _ in range(800):
        clock.advance(0.05)
        controller.record("shard0", True)
    assert changes == [("shard0", 2), ("shard0", 0)]
