"""The edge's parsing: whatever arrives is an order, or refused; never another error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RefusedError
from backend.payloads import parse_callback, parse_key, parse_order

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


ENDS_OF_TIME = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1999-12-31T23:59:59Z")


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    for parse in (parse_order, parse_callback):
        try:
            parse(body)
        except RefusedError as error:
            assert error.status in (400, 422)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("channel", "user_id", "lines", "amount_cents"), VALUES)
    )
)
def test_any_document_is_parsed_or_refused(document: dict[str, object]) -> None:
    import json

    with pytest.raises(RefusedError):
        parse_order(json.dumps({**document, "amount_cents": "1"}).encode())


def test_a_time_of_payment_needs_a_zone_and_a_year_of_this_age() -> None:
    body = '{"out_trade_no": "x", "transaction_id": "T1", "amount_cents": 1, "paid_at": "%s"}'
    assert parse_callback((body % "2026-01-27T10:00:00+08:00").encode()).paid_at.utcoffset()
    for wrong in ("2026-01-27T10:00:00", "yesterday", "0", *ENDS_OF_TIME):
        with pytest.raises(RefusedError):
            parse_callback((body % wrong).encode())


def test_keys_are_one_and_printable() -> None:
    assert parse_key(["k" * 200]) == "k" * 200
    for wrong in ([], [""], ["a", "b"], ["k" * 201], ["\x00"], ["é"], ["a\tb"]):
        with pytest.raises(RefusedError):
            parse_key(wrong)
