"""Identity: one key is one order, and an id leads back to its bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.identity import bucket_of, order_id, order_uid, parse_order_id

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def test_the_uid_is_the_hash_of_channel_user_and_key() -> None:
    assert order_uid("DY", "u1", "k1").hex() == "ebfd5853d480a71d361301e1938773c9"
    assert order_uid("DY", "u1", "k1", salt=b"x").hex() != "ebfd5853d480a71d361301e1938773c9"
    assert len(order_uid("DY", "u1", "k1")) == 16


@given(st.tuples(words, words, words), st.tuples(words, words, words))
def test_different_parts_are_different_orders(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (order_uid(*one) == order_uid(*other)) is (one == other)


@given(words)
def test_an_id_leads_back(user: str) -> None:
    uid = order_uid("DY", user, "k")
    assert parse_order_id(order_id(uid, bucket_of(user))) == (uid, bucket_of(user))


def test_what_is_no_id_is_none() -> None:
    good = order_id(order_uid("DY", "u", "k"), 255)
    for text in (
        "",
        good[:-1],
        good + "0",
        good.upper(),
        good + "\n",
        " " + good,
        "g" * 34,
        "٣" * 34,
    ):
        assert parse_order_id(text) is None, text


def test_users_spread_over_the_buckets() -> None:
    buckets = {bucket_of(f"u{n}") for n in range(5000)}
    assert buckets == set(range(256))
