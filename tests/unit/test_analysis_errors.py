"""Errors by kind: what customers met on the way, not only how it ended."""

from __future__ import annotations

import dataclasses

from msgspec import structs

from flashdrill.analysis.bands import bands
from flashdrill.analysis.errors import errors_by_kind
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Attempt, Outcome
from tests.unit.analysis_history import T0, operation, steady, table

CUT = FaultRecord("cut", "timeout", "shard2", 1.0, 2.0, True, True)
UNPROVEN = FaultRecord("unseen", "latency", "redis", 20.0, 29.0, False, True)


def attempt(t_s: float, outcome: Outcome, reason: str, status: int) -> Attempt:
    at = T0 + round(t_s * 1e9)
    return Attempt(at, at + 1_000_000, status, outcome, reason)


def test_an_order_that_was_placed_at_last_has_met_its_errors_all_the_same() -> None:
    attempts = (
        attempt(1.1, Outcome.INFO, "timeout", 0),
        attempt(1.5, Outcome.FAIL, "breaker_open", 503),
        attempt(2.5, Outcome.FAIL, "breaker_open", 503),
        attempt(3.0, Outcome.OK, "placed", 201),
    )
    history = table([operation(1.1, attempts=attempts)])
    busy, unknown = errors_by_kind(history, bands([CUT, UNPROVEN], T0), T0)
    assert (busy.reason, busy.outcome, busy.status) == ("breaker_open", "fail", 503)
    assert (busy.answers, busy.decided) == (2, 0)
    assert (busy.faults, busy.share_during_faults) == (("cut",), 0.5)
    assert round(busy.first_s, 3) == 1.501
    assert round(busy.last_s, 3) == 2.501
    assert (unknown.reason, unknown.outcome, unknown.answers) == ("timeout", "unknown", 1)


def test_refusals_unknowns_and_what_never_left_are_told_apart() -> None:
    history = table(
        [operation(0.1, outcome=Outcome.FAIL, reason="sold_out", is_refusal=True)] * 3,
        [operation(0.2, outcome=Outcome.INFO, reason="timeout")] * 2,
        [operation(0.3, outcome=Outcome.FAIL, reason="not_sent", is_sent=False)],
    )
    found = {error.reason: error for error in errors_by_kind(history, (), T0)}
    assert {reason: error.outcome for reason, error in found.items()} == {
        "sold_out": "refused",
        "timeout": "unknown",
        "not_sent": "fail",
    }
    assert found["sold_out"].answers == 3
    assert found["not_sent"].decided == 1
    assert found["not_sent"].examples == ("0",), "without a key the operation's number is told"
    assert found["timeout"].faults == ()


def test_silence_where_every_answer_was_as_hoped() -> None:
    assert errors_by_kind(table(steady(0, 1)), (), T0) == ()
    assert errors_by_kind(table([]), (), T0) == ()


def test_a_request_that_times_out_after_the_fault_belongs_to_it_all_the_same() -> None:
    sent, done = T0 + 1_500_000_000, T0 + 4_500_000_000
    lost = Attempt(sent, done, 0, Outcome.INFO, "timeout")
    history = table(
        [operation(1.5, took_s=3, outcome=Outcome.INFO, reason="timeout", attempts=(lost,))]
    )
    (error,) = errors_by_kind(history, bands([CUT], T0), T0)
    assert (error.faults, error.share_during_faults) == (("cut",), 1.0)
    after = Attempt(T0 + 2_100_000_000, done, 0, Outcome.INFO, "timeout")
    history = table(
        [operation(2.1, took_s=3, outcome=Outcome.INFO, reason="timeout", attempts=(after,))]
    )
    (error,) = errors_by_kind(history, bands([CUT], T0), T0)
    assert error.faults == ()


def test_a_refusal_is_one_also_where_an_earlier_attempt_keeps_the_operation_unknown() -> None:
    attempts = (
        attempt(0.1, Outcome.INFO, "timeout", 0),
        attempt(0.2, Outcome.FAIL, "sold_out", 409),
    )
    history = table([operation(0.1, outcome=Outcome.INFO, reason="timeout", attempts=attempts)])
    outcomes = {error.reason: error.outcome for error in errors_by_kind(history, (), T0)}
    assert outcomes == {"timeout": "unknown", "sold_out": "refused"}
    own = structs.replace(operation(0.3, outcome=Outcome.FAIL, reason="closed", is_refusal=True))
    mixed = (attempt(0.1, Outcome.INFO, "timeout", 0), attempt(0.2, Outcome.FAIL, "closed", 423))
    history = table([operation(0.1, outcome=Outcome.INFO, reason="timeout", attempts=mixed), own])
    outcomes = {error.reason: error.outcome for error in errors_by_kind(history, (), T0)}
    assert outcomes["closed"] == "refused", "another service's reasons are learnt from its refusals"


def test_a_fault_that_was_made_and_not_proven_is_named_and_one_that_was_not_made_is_not() -> None:
    unmade = dataclasses.replace(UNPROVEN, was_made=False)
    assert [band.fault for band in bands([CUT, UNPROVEN], T0)] == ["cut", "unseen"]
    assert [band.fault for band in bands([CUT, unmade], T0)] == ["cut"]


def test_one_order_that_was_asked_for_often_is_one_example() -> None:
    asked = [operation(n / 100, kind="get_order", outcome=Outcome.FAIL) for n in range(122)]
    ids = ["a"] * 120 + ["b", "c"]
    history = table(
        [structs.replace(op, order_id=order) for op, order in zip(asked, ids, strict=True)]
    )
    (error,) = errors_by_kind(history, (), T0)
    assert (error.answers, error.examples) == (122, ("a", "b", "c"))
