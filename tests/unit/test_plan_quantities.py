"""Quantities: what people write is read exactly, and what makes no sense is explained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.plan import quantities as q


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("800ms", 0.8), ("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0), ("0s", 0.0), ("0.1ms", 1e-4)],
)
def test_durations(text: str, seconds: float) -> None:
    assert q.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("9 parsecs", "'9 parsecs' is not a duration; expected something like 800ms, 30s"),
        ("10", "'10' has no unit; did you mean 10ms or 10s?"),
        ("-3s", "is not a duration"),
        ("1e3s", "is not a duration"),
        ("infs", "is not a duration"),
        ("٣s", "is not a duration"),
        ("3s\n", "is not a duration"),
        ("", "is not a duration"),
        ("200h", "longer than seven days"),
    ],
)
def test_bad_durations(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as error:
        q.parse_duration(text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("-30s", -30.0), ("+1.5h", 5400.0), ("800ms", 0.8), ("-0s", 0.0)]
)
def test_durations_with_a_sign(text: str, seconds: float) -> None:
    assert q.parse_signed_duration(text) == seconds


@pytest.mark.parametrize("text", ["--3s", "- 3s", "-3", "+", "-3s\n", "-200h"])
def test_bad_durations_with_a_sign(text: str) -> None:
    with pytest.raises(ValueError, match=r"like -30s|longer than seven days"):
        q.parse_signed_duration(text)


@pytest.mark.parametrize(("text", "per_s"), [("40/s", 40.0), ("2400/min", 40.0), ("36/h", 0.01)])
def test_rates(text: str, per_s: float) -> None:
    assert q.parse_rate(text) == per_s


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("40", "did you mean 40/s?"),
        ("40/day", "expected something like 40/s or 2400/min"),
        ("9999999/s", "over 1,000,000 a second"),
    ],
)
def test_bad_rates(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as error:
        q.parse_rate(text)
    assert says in str(error.value)


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("0.25", 0.25), ("0", 0), ("100%", 1)])
def test_shares(text: str, share: float) -> None:
    assert q.parse_share(text) == share


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("25", "did you mean 25%?"),
        ("150%", "more than all of it"),
        ("a lot", "expected something like 25% or 0.25"),
        ("-1%", "is not a share"),
    ],
)
def test_bad_shares(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as error:
        q.parse_share(text)
    assert says in str(error.value)


@given(st.integers(0, 10**12))
def test_a_written_size_reads_back(size: int) -> None:
    assert q.parse_size(q.format_size(size)) == size


def test_sizes_are_written_in_whole_units() -> None:
    assert [q.format_size(s) for s in (0, 1000, 51200, 2**30)] == ["0B", "1000B", "50KB", "1024MB"]


def test_sizes_and_prices() -> None:
    assert q.parse_size("50KB") == 51_200
    assert q.parse_size("512B") == 512
    assert q.parse_price("19.99") == 1999
    assert q.parse_price("5") == 500
    for text in ("19.9", "1,99", "-1.00", "19.999", ""):
        with pytest.raises(ValueError, match="is not a price"):
            q.parse_price(text)


@given(st.integers(0, int(q.LONGEST_S) * 1000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert q.parse_duration(q.format_duration(seconds)) == seconds


@given(st.integers(0, 10**9))
def test_a_written_rate_reads_back(thousandths: int) -> None:
    assert q.parse_rate(q.format_rate(thousandths / 1000)) == thousandths / 1000


@given(st.integers(0, 10**6))
def test_a_written_share_reads_back(millionths: int) -> None:
    assert q.parse_share(q.format_share(millionths / 10**6)) == millionths / 10**6


@given(st.integers(0, 10**9))
def test_a_price_never_loses_a_cent(cents: int) -> None:
    assert q.parse_price(f"{cents // 100}.{cents % 100:02d}") == cents


@given(st.text(max_size=12))
def test_any_text_is_read_or_explained(text: str) -> None:
    for parse in (q.parse_duration, q.parse_rate, q.parse_share, q.parse_size, q.parse_price):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert len(str(error)) > 10
