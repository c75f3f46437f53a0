from __future__ import annotations

import json

import pytest

from flashdrill.load.answer import judge
from flashdrill.load.exchange import Reply
from flashdrill.model.op import Outcome

GRANTED = {201: "placed", 202: "queued"}
PROBLEM = "application/problem+json; charset=utf-8"


def reply(status: int, body: object = None, *, content_type: str = "application/json") -> Reply:
    raw = b"" if body is None else json.dumps(body).encode()
    return Reply(1, 2, status=status, body=raw, content_type=content_type)


def problem(slug: str, status: int, *, definite: object = True, refusal: object = False) -> Reply:
    body = {
        "type": f"https://x.invalid/problems/{slug}",
        "definite": definite,
        "refusal": refusal,
    }
    return reply(status, body, content_type=PROBLEM)


@pytest.mark.parametrize(("status", "reason"), GRANTED.items())
def test_an_acknowledgement_is_ok(status: int, reason: str) -> None:
    said = judge(reply(status, {"order_id": "a1"}), GRANTED, ("order_id",))
    assert (said.outcome, said.reason, said.document["order_id"]) == (Outcome.OK, reason, "a1")


def test_a_problem_is_one_in_capitals_too() -> None:
    body = {"type": "pool-exhausted", "definite": True}
    said = judge(reply(503, body, content_type="Application/Problem+JSON; charset=utf-8"), {})
    assert (said.outcome, said.reason) == (Outcome.FAIL, "pool_exhausted")


@pytest.mark.parametrize("body", [None, {}, [1], "text", {"order_id": None}])
def test_an_acknowledgement_without_what_it_must_carry_is_unknown(body: object) -> None:
    said = judge(reply(201, body), GRANTED, ("order_id",))
    assert (said.outcome, said.reason) == (Outcome.INFO, "http_201")


def test_another_2xx_is_unknown() -> None:
    assert judge(reply(200, {"order_id": "a"}), GRANTED).outcome is Outcome.INFO


@pytest.mark.parametrize(
    ("slug", "status", "reason"),
    [
        ("overloaded", 503, "overloaded"),
        ("pool-exhausted", 503, "pool_exhausted"),
        ("rate-limited", 429, "rate_limited"),
        ("deadline", 504, "deadline"),
    ],
)
def test_a_definite_problem_is_a_failure_and_may_be_tried_again(
    slug: str, status: int, reason: str
) -> None:
    said = judge(problem(slug, status), GRANTED)
    assert (said.outcome, said.reason) == (Outcome.FAIL, reason)
    assert said.is_retryable
    assert not said.is_refusal


@pytest.mark.parametrize(
    ("slug", "status"), [("sold-out", 409), ("purchase-limit", 409), ("validation", 422)]
)
def test_a_refusal_is_definite_and_final(slug: str, status: int) -> None:
    said = judge(problem(slug, status, refusal=True), GRANTED)
    assert (said.outcome, said.reason) == (Outcome.FAIL, slug.replace("-", "_"))
    assert said.is_refusal
    assert not said.is_retryable


def test_an_unauthorized_call_is_definite_and_final() -> None:
    said = judge(problem("unauthorized", 401), GRANTED)
    assert (said.outcome, said.is_refusal, said.is_retryable) == (Outcome.FAIL, False, False)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(504), "gateway_timeout"),
        (problem("unknown-commit", 504, definite=False), "gateway_timeout"),
        (problem("overloaded", 503, definite="true"), "http_503"),
        (
            reply(503, {"definite": True}),
            "http_503",
        ),  # not a problem body: anybody may have sent it
        (reply(502), "http_502"),
        (reply(404), "http_404"),
        (reply(302), "http_302"),
    ],
)
def test_every_other_status_is_unknown(answer: Reply, reason: str) -> None:
    said = judge(answer, GRANTED)
    assert (said.outcome, said.reason) == (Outcome.INFO, reason)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        ("connection_refused", Outcome.FAIL),
        ("connect_timeout", Outcome.FAIL),
        ("tls_failed", Outcome.FAIL),
        ("timeout", Outcome.INFO),
        ("connection_lost", Outcome.INFO),
    ],
)
def test_without_an_answer_only_what_never_left_is_definite(failure: str, outcome: Outcome) -> None:
    said = judge(Reply(1, 2, failure=failure), GRANTED)
    assert (said.outcome, said.reason, said.is_retryable) == (outcome, failure, True)


def test_a_status_that_is_declared_a_refusal_is_one_and_no_other_is() -> None:
    refused = {409: "sold_out"}
    said = judge(reply(409, {"sorry": "sold out"}), GRANTED, (), refused)
    assert (said.outcome, said.reason, said.is_refusal) == (Outcome.FAIL, "sold_out", True)
    assert not said.is_retryable
    assert judge(reply(410), GRANTED, (), refused).outcome is Outcome.INFO
    assert judge(reply(201, {}), GRANTED, (), refused).outcome is Outcome.OK
