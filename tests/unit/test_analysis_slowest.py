"""The slowest operations, and where their time went."""

from __future__ import annotations

import pytest
from msgspec import structs

from flashdrill.analysis.bands import Band
from flashdrill.analysis.slowest import slowest, timings
from flashdrill.model.op import Attempt, Outcome
from tests.unit.analysis_history import T0, operation, steady, table


def at(t_s: float) -> int:
    return T0 + round(t_s * 1e9)


def test_the_time_is_taken_apart_into_lateness_attempts_and_the_services_own_account() -> None:
    op = structs.replace(
        operation(
            1.0,
            late_s=0.5,
            took_s=3.0,
            attempts=(
                Attempt(at(1.5), at(2.5), 504, Outcome.INFO, "gateway_timeout"),
                Attempt(at(4.0), at(4.5), 201, Outcome.OK, "placed"),
            ),
        ),
        key="k1",
        breakdown="q.pool.shard0;dur=120.5, h.postgres.shard0;dur=2, h.loop;desc=x",
    )
    bands = (Band("early", at(0), at(0.9)), Band("cut", at(2), at(3)))
    first, *others = slowest(table([op], steady(0, 1)), bands, T0)
    assert (first.response_s, first.lateness_s) == pytest.approx((3.5, 0.5))
    assert [(round(a.from_s, 3), round(a.took_s, 3), a.status) for a in first.attempts] == [
        (0.5, 1.0, 504),
        (3.0, 0.5, 201),
    ]
    assert first.waited == {"pool.shard0": pytest.approx(0.1205)}
    assert first.held == {"postgres.shard0": 0.002}
    assert first.faults == ("cut",)
    assert first.key == "k1"
    assert len(others) == 3, "one kind has four places"


def test_one_kind_cannot_hide_the_others_and_what_never_left_is_no_slow_operation() -> None:
    history = table(
        [operation(n, took_s=9 - n / 10, kind="pay_callback") for n in range(9)],
        [operation(5, took_s=0.2, kind="place_order")],
        [operation(6, took_s=99, is_sent=False, outcome=Outcome.FAIL, reason="not_sent")],
    )
    found = slowest(history, (), T0)
    assert [op.operation for op in found] == ["pay_callback"] * 4 + ["place_order"]
    assert [op.response_s for op in found] == sorted((o.response_s for o in found), reverse=True)
    assert slowest(table([]), (), T0) == ()


@pytest.mark.parametrize(
    "header", ["", "cache;desc=hit", "q.;dur=1", "h.x;dur=abc", "x.pool;dur=3"]
)
def test_other_peoples_timings_are_left_alone(header: str) -> None:
    assert not dict(timings(header))
