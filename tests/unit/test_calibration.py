"""The capacity of a load process, from what it used of its core at some rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.load.calibration import Stretch, capacity
from flashdrill.model.calibration import CPU_LIMIT

SATURATED = Stretch(10_000, 0.99)


@pytest.mark.parametrize(
    ("scheduled", "found"),
    [
        ([(2000, 0.2), (3500, 0.35), (5000, 0.5)], 8000),  # on the line through the last two
        ([(2000, 0.4), (3500, 0.7), (5000, 0.9)], 4250),  # between two that were measured
        ([(2000, 0.9), (3500, 0.95), (5000, 0.99)], 2000 * 0.8 / 0.9),  # below the first
        ([(2000, 0.2), (3500, 0.25), (5000, 0.26)], 10_000),  # no more than was ever done
        ([(2000, 0.5), (3500, 0.5), (5000, 0.5)], 10_000),
    ],
)
def test_it_is_where_the_cores_limit_is_met(
    scheduled: list[tuple[float, float]], found: float
) -> None:
    assert capacity([Stretch(*pair) for pair in scheduled], SATURATED) == pytest.approx(found)


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3).map(sorted))
def test_it_is_above_what_was_within_the_limit_and_below_what_was_not(cpu: list[float]) -> None:
    scheduled = [Stretch(rate, share) for rate, share in zip((2000, 3500, 5000), cpu, strict=True)]
    found = capacity(scheduled, SATURATED)
    assert all(found >= s.operations_per_s for s in scheduled if s.cpu <= CPU_LIMIT)
    assert all(found <= s.operations_per_s for s in scheduled if s.cpu > CPU_LIMIT)
