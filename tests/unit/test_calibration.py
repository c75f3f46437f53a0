"""The capacity of a load process, from what it used of its core at some rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.load.calibration import Stretch, capacity, expected
from flashdrill.model.calibration import CPU_LIMIT

SATURATED = Stretch(10_000, 0.99)
GUESS = (5000.0, Stretch(5000, 0.1))


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (Stretch(4000, 0.4), 8000),  # a half of what it may use
        (Stretch(4000, CPU_LIMIT), 4000),
        (Stretch(4000, 1.0), 3200),
        (Stretch(3000, 1.0), 2400),  # it did not keep up
        (Stretch(3000, 0.5), 3000),  # nor here, for others had its core
    ],
)
def test_a_step_makes_expect_in_proportion_to_its_cpu(done: Stretch, found: float) -> None:
    assert expected(4000, done) == pytest.approx(found)


def test_one_odd_step_of_four_and_the_first_guess_do_not_count_for_much() -> None:
    steps = [
        (5900.0, Stretch(5900, 0.8)),
        (6000.0, Stretch(6000, 0.8)),
        (6100.0, Stretch(6100, 0.8)),
    ]
    odd = (6000.0, Stretch(6000, 0.4))
    assert capacity([GUESS, *steps], SATURATED) == pytest.approx(6000)
    assert capacity([GUESS, odd, *steps], SATURATED) == pytest.approx(6050)


def test_it_is_no_more_than_was_ever_done() -> None:
    idle = (9000.0, Stretch(9000, 0.2))
    assert capacity([GUESS, idle], SATURATED) == SATURATED.operations_per_s


@given(idle=st.floats(0.0, 0.15), cost=st.floats(2e-5, 2e-4))
def test_the_steps_lead_to_where_the_cores_limit_is_met(idle: float, cost: float) -> None:
    truth = (CPU_LIMIT - idle) / cost
    saturated = Stretch(1.3 / cost, 1.0)
    rate, steps = 0.5 * saturated.operations_per_s, []
    for _ in range(5):
        steps.append((rate, Stretch(rate, idle + cost * rate)))
        rate = expected(*steps[-1])
    assert capacity(steps, saturated) == pytest.approx(truth, rel=0.02)
