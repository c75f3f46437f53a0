"""The signature of payment callbacks."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from backend.errors import RefusedError
from backend.pay import check_signature, signature

BODY = b'{"out_trade_no": "1"}'
NOW = 1_800_000_000


def check(timestamp: str | None, given: str | None, body: bytes = BODY) -> None:
    check_signature("secret", timestamp, given, body, now_s=NOW, age_s=300)


def test_it_is_the_hmac_of_time_and_body() -> None:
    expected = hmac.new(b"secret", b"1800000000." + BODY, hashlib.sha256).hexdigest()
    assert signature("secret", str(NOW), BODY) == expected
    check(str(NOW), expected)


@pytest.mark.parametrize("age_s", [-300, 0, 300])
def test_it_is_good_for_five_minutes(age_s: int) -> None:
    stamp = str(NOW - age_s)
    check(stamp, signature("secret", stamp, BODY))


@pytest.mark.parametrize("age_s", [-301, 301, NOW])
def test_older_ones_are_refused(age_s: int) -> None:
    stamp = str(NOW - age_s)
    with pytest.raises(RefusedError, match="old"):
        check(stamp, signature("secret", stamp, BODY))


@pytest.mark.parametrize(
    ("timestamp", "given"),
    [
        (None, "x"),
        (str(NOW), None),
        (str(NOW), ""),
        (str(NOW), "0" * 64),
        (str(NOW), "é"),
        (str(NOW), "\udcff"),
        ("-1", "x"),
        ("1e9", "x"),
        ("٣", "x"),
        ("9" * 13, "x"),
    ],
)
def test_what_is_not_signed_is_refused(timestamp: str | None, given: str | None) -> None:
    with pytest.raises(RefusedError) as refused:
        check(timestamp, given)
    assert (refused.value.slug, refused.value.status) == ("unauthorized", 401)


def test_a_changed_body_does_not_pass() -> None:
    with pytest.raises(RefusedError):
        check(str(NOW), signature("secret", str(NOW), BODY), BODY + b" ")
