from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.load.buckets import bucket, middle_s, quantile_s


@given(st.integers(64, 3_600 * 10**9))
def test_a_time_is_known_to_one_percent(time_ns: int) -> None:
    assert middle_s(bucket(time_ns)) == pytest.approx(time_ns / 1e9, rel=0.01)


@given(st.integers(0, 10**11), st.integers(0, 10**11))
def test_longer_times_have_no_lower_bucket(a_ns: int, b_ns: int) -> None:
    assert bucket(min(a_ns, b_ns)) <= bucket(max(a_ns, b_ns))


@pytest.mark.parametrize("time_ns", [-5, 0, 1, 63, 127])
def test_short_times_are_known_to_a_nanosecond(time_ns: int) -> None:
    assert middle_s(bucket(time_ns)) == pytest.approx(max(0, time_ns) / 1e9, abs=1e-9)


def test_a_quantile_is_the_nearest_rank() -> None:
    counts = {bucket(10_000_000): 99, bucket(1_000_000_000): 1}
    assert quantile_s(counts, 0.99) == pytest.approx(0.010, rel=0.02)
    assert quantile_s(counts, 0.995) == pytest.approx(1.0, rel=0.02)
    assert quantile_s({}, 0.5) is None
