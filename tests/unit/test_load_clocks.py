from __future__ import annotations

from flashdrill.load.clocks import Reading, Readings


def readings(*errors_ns: int, has_begun: bool = False) -> Readings:
    kept = Readings(3)
    for error_ns in errors_ns:
        kept.take(Reading(error_ns=error_ns), has_begun=has_begun)
    return kept


def test_until_the_start_late_answers_do_not_displace_better_ones() -> None:
    assert readings(5, 9, 7, 900, 800, 700, 600).best.error_ns == 5
    assert readings(900, 800, 700, 5).best.error_ns == 5


def test_afterwards_only_the_last_ones_count() -> None:
    assert readings(5, 9, 7, 900, 800, 700, has_begun=True).best.error_ns == 700


def test_a_clock_is_known_when_there_are_as_many_readings_as_are_kept() -> None:
    assert not readings(5, 9).is_full
    assert readings(5, 9, 7).is_full
    assert readings(5, 9, 7, 1).is_full
