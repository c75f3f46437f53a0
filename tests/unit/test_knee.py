"""The knee: which step comes next, when it ends, and how close it comes to a capacity that is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from flashdrill.analysis.climbing import Next, following, state_of, usually_out
from flashdrill.analysis.knee import beside_the_knee, fit, knee_of, past_the_knee, remarks
from flashdrill.model.capacity import Ended, Knee, Step
from flashdrill.model.result import Bottleneck
from flashdrill.model.scenario import Stage
from flashdrill.rehearsal.climber import Climber
from tests.unit.analysis_history import valid
from tests.unit.climbs import GENERATOR, KEPT_UP, PAST, Service, climb, climbed, step

FINE = [step(100.0 * n, 100.0 * n, KEPT_UP) for n in range(1, 4)]


def past(rate: float, achieved: float = 330.0, **more: bool) -> Step:
    return step(rate, achieved, PAST, **more)


def test_it_climbs_until_two_steps_in_a_row_did_not_keep_up() -> None:
    plan = climb()
    assert following(plan, []) == Next("1", 100)
    assert following(plan, FINE) == Next("4", 400)
    assert following(plan, [*FINE, past(400)]) == Next("5", 500)
    assert following(plan, [*FINE, past(400), step(500, 500, KEPT_UP)]) == Next("6", 600)
    assert following(plan, [*FINE, past(400), past(500)]) == Next("b1", 350)


def test_it_bisects_between_the_last_good_step_and_the_first_bad_one() -> None:
    plan, turned = climb(), [*FINE, past(400), past(500)]
    better = [*turned, step(350, 350, KEPT_UP, is_extra=True)]
    assert following(plan, better) == Next("b2", 375)
    assert following(plan, [*turned, past(350, is_extra=True)]) == Next("b2", 325)
    three = [*better, past(375, is_extra=True), past(362.5, is_extra=True)]
    assert following(plan, three) is Ended.KNEE
    assert following(climb(bisections=0), turned) is Ended.KNEE


def test_it_ends_at_the_top_at_the_first_step_or_at_the_generators_limit() -> None:
    whole = [step(rate, rate, KEPT_UP) for rate in climb().rates]
    assert following(climb(), whole) is Ended.TOP
    assert following(climb(), [past(100, 50), past(200, 50)]) is Ended.FIRST
    late = [step(rate, 0.0, GENERATOR) for rate in (400.0, 500.0)]
    assert following(climb(), [*FINE, *late]) is Ended.GENERATOR
    assert following(climb(), [*FINE, late[0]]) == Next("5", 500)


def test_at_the_top_one_step_that_did_not_keep_up_is_enough_to_look_closer() -> None:
    whole = [step(rate, rate, KEPT_UP) for rate in climb().rates[:-1]]
    assert following(climb(), [*whole, past(1000, 930)]) == Next("b1", 950)


def test_97_percent_is_the_line() -> None:
    assert state_of(100, 97, is_generator=False) is KEPT_UP
    assert state_of(100, 96.9, is_generator=False) is PAST
    assert state_of(100, 100, is_generator=True) is GENERATOR


def test_what_is_out_as_at_any_moment_has_not_piled_up() -> None:
    assert usually_out(2, 0, 5.0, 0.083) == 2, "as many as there were"
    assert usually_out(9, 0, 5.0, 0.083) == 3, "the mean, and three roots of it"
    assert usually_out(900, 0, 1000.0, 0.1) == 130
    assert usually_out(900, 100, 1000.0, 0.1) == 30, "as many were answered in their place"
    assert usually_out(9, 0, 5.0, 0.0) == 0, "nothing was ever answered"


def second(t_s: float, sent: int, ok: int, in_flight: int, fail: int = 0) -> dict[str, Any]:
    """A second of a climb at 5/s, against a service that answers in 83 ms."""
    counts = {"due": sent, "sent": sent, "not_sent": 0, "ok": ok, "refused": 0, "fail": fail}
    times = {"p50_ms": 83.0, "lateness_p99_ms": 1.0, "cpu": 0.1}
    return {"t_s": t_s, **counts, **times, "in_flight": in_flight}


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (second(4.0, 6, 4, in_flight=2), Ended.KNEE),
        (second(4.0, 6, 4, in_flight=0, fail=2), Ended.FIRST),
    ],
)
def test_two_that_are_out_at_the_end_of_a_small_step_are_not_past_the_knee_and_two_that_failed_are(
    last: dict[str, Any], ended: Ended
) -> None:
    plan = replace(climb(bisections=0), rates=(5.0, 15.0), warm_up_s=0.0)
    orders: list[tuple[Stage, ...]] = []
    climber = Climber(plan, orders.append)
    for line in (*(second(float(n), 5, 5, 0) for n in (1, 2, 3)), last):
        climber.take(line)
    start = round(orders[0][0].start_s)
    for n in range(start + 5):
        climber.take(second(5.0 + n, 15, 12, in_flight=3 * n))
    assert climber.climbed.ended is ended


def test_a_small_knee_is_told_with_decimals_and_small_steps_too() -> None:
    steps = [step(5.25, 5.25, KEPT_UP), step(15.5, 11.75, PAST), step(25.25, 12.0, PAST)]
    found = knee_of(steps, Ended.KNEE, 3)
    assert "at 11.9 arrivals a second" in found.sentence
    assert "at-5.25 (5.2/s) kept up, at-15.5 (15.5/s) did not" in found.sentence
    assert "kept up with 5.2 arrivals" in knee_of(steps[:1], Ended.TOP, 1).sentence


def test_how_it_ended_is_what_the_record_says() -> None:
    assert knee_of([*FINE, past(400)], Ended.TOP, 4).ended is Ended.KNEE
    found = knee_of(FINE, Ended.FIRST, 10)
    assert found.ended is Ended.STOPPED
    assert "by the record they were. So far, the service kept up with 300" in found.sentence


@pytest.mark.parametrize("capacity", [130.0, 333.0, 617.0, 944.0])
def test_a_known_capacity_is_found_within_a_bisected_step(capacity: float) -> None:
    climber, stages, _ = climbed(climb(), Service(capacity))
    found = _knee_at(climber, capacity)
    assert found.ended is Ended.KNEE
    assert found.knee_per_s == pytest.approx(capacity, rel=0.01)
    assert found.low_per_s is not None
    assert found.high_per_s is not None
    assert found.low_per_s <= capacity <= found.high_per_s
    assert found.high_per_s - found.low_per_s <= 100 / 2**3 + 0.03 * capacity
    assert f"{found.knee_per_s:,.0f} arrivals a second" in found.sentence
    assert all(b.start_s >= a.end_s - 1e-6 for a, b in pairwise(stages))


def test_it_does_not_climb_far_past_the_knee_and_pauses_only_there() -> None:
    climber, stages, _ = climbed(climb(top=5000), Service(333.0))
    climbing = [s for s in climber.climbed.steps if not s.is_extra]
    assert [s.rate_per_s for s in climbing] == [100, 200, 300, 400, 500]
    assert all(a.end_s == b.stages[0].start_s for a, b in pairwise(climbing[:4]))
    pause_s = climbing[-1].end_s, climber.climbed.steps[5].stages[0].start_s
    assert pause_s[1] > pause_s[0]
    assert len(stages) == 2 * len(climber.climbed.steps)


def test_without_a_knee_it_says_that_no_bottleneck_was_reached() -> None:
    climber, _, _ = climbed(climb(), Service(5000.0))
    found = _knee_at(climber, 5000.0)
    assert (found.ended, found.knee_per_s, found.high_per_s) == (Ended.TOP, None, None)
    assert found.sentence.startswith("No bottleneck reached: the service kept up with 1,000")


def test_a_generator_that_cannot_go_on_is_no_knee() -> None:
    climber, _, _ = climbed(climb(), Service(5000.0, generator_per_s=450.0))
    assert climber.climbed.ended is Ended.GENERATOR
    assert [s.rate_per_s for s in climber.climbed.steps] == [100, 200, 300, 400, 500, 600]
    late = [step(rate, rate, GENERATOR if rate > 450 else KEPT_UP) for rate in climb().rates[:6]]
    found = knee_of(late, Ended.GENERATOR, 10)
    assert (found.ended, found.knee_per_s) == (Ended.GENERATOR, None)
    assert "the generator was the limit. So far, the service kept up with 400" in found.sentence


def test_a_crowd_whose_own_code_fails_is_no_service_that_keeps_up() -> None:
    hold = climb().stages("1", 100.0, 0.0)
    line = {"due": 100, "sent": 0, "not_sent": 0, "ok": 0, "refused": 0, "cpu": 0.1}
    line |= {"in_flight": 0, "p50_ms": None, "lateness_p99_ms": None}
    orders: list[tuple[Stage, ...]] = []
    climber = Climber(climb(), orders.append)
    for second in range(1, 40):
        climber.take({**line, "t_s": float(second)})
    assert climber.climbed.ended is Ended.GENERATOR
    assert climber.climbed.steps[0].stages == hold


def test_a_first_step_past_the_knee_says_what_was_answered() -> None:
    climber, _, _ = climbed(climb(), Service(60.0))
    found = _knee_at(climber, 60.0)
    assert (found.ended, found.knee_per_s, found.low_per_s) == (Ended.FIRST, 60.0, 0.0)
    assert remarks(found) == (found.sentence,), "a pass says so"
    assert remarks(replace(found, ended=Ended.KNEE)) == remarks(None) == ()


def test_the_same_seconds_bring_the_same_steps() -> None:
    one, other = (climbed(climb(), Service(617.0))[0].climbed for _ in range(2))
    assert one == other


def test_the_fit_bears_noise_and_a_service_that_gives_way() -> None:
    noisy = [
        step(r, min(r, 500) + off, KEPT_UP) for r, off in ((400, 4), (500, -5), (600, 6), (700, -6))
    ]
    assert fit(noisy) == pytest.approx(500, rel=0.02)
    giving_way = [*FINE, past(400, 250), past(500, 200)]
    found = knee_of(giving_way, Ended.KNEE, 10)
    assert found.knee_per_s == 300, "never less than what was achieved"


def test_unsent_arrivals_past_the_knee_are_the_services_doing_and_nobody_elses() -> None:
    unsent = replace(valid("at-400", is_valid=False), reasons=("only 5 of 100 ...",), sent=5)
    assert past_the_knee([unsent], [past(400)])[0].is_valid
    assert not past_the_knee([unsent], [step(400, 400, KEPT_UP)])[0].is_valid
    assert not past_the_knee([replace(unsent, generator_cpu=0.9)], [past(400)])[0].is_valid
    late_too = replace(unsent, reasons=("only 5 of 100 ...", "the generator was late"))
    assert not past_the_knee([late_too], [past(400)])[0].is_valid


def test_a_knee_is_not_called_no_bottleneck() -> None:
    nothing = Bottleneck(None, "No bottleneck reached: in the busiest stage, the loop ...", "", ())
    found = knee_of([*FINE, past(400), past(500)], Ended.KNEE, 10)
    said = beside_the_knee(nothing, found).sentence
    assert said.startswith("The service has a knee, and no resource that was measured explains it")
    top = knee_of(FINE, Ended.TOP, 3)
    named = replace(nothing, named="loop", sentence="The loop is the limit.")
    assert beside_the_knee(nothing, top) == nothing
    assert beside_the_knee(nothing, None) == nothing
    assert beside_the_knee(named, found) == named


def _knee_at(climber: Climber, capacity: float) -> Knee:
    """The knee of the steps as an exact history would have them."""
    steps = [
        step(
            s.rate_per_s,
            min(s.rate_per_s, capacity),
            state_of(s.rate_per_s, min(s.rate_per_s, capacity), is_generator=False),
            is_extra=s.is_extra,
        )
        for s in climber.climbed.steps
    ]
    assert climber.climbed.ended is not None
    return knee_of(steps, climber.climbed.ended, len(climb().rates))
