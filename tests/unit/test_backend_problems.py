"""Problems: the table says what is definite, and every error has a row."""

from __future__ import annotations

import json

import pytest

from backend import errors
from backend.breakers import BreakerOpenError
from backend.pay import REFUSALS as PAY_REFUSALS
from backend.place import REFUSALS as PLACE_REFUSALS
from backend.problems import BASE, KINDS, problem, problem_of


def subclasses(kind: type[errors.ServiceError]) -> list[type[errors.ServiceError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in subclasses(child))]


def test_every_error_has_a_row_that_agrees_with_it() -> None:
    for kind in subclasses(errors.ServiceError)[1:]:
        if kind is errors.RefusedError:
            continue
        assert KINDS[kind.slug].is_definite is kind.is_definite, kind


def test_every_refusal_has_a_row_and_its_status() -> None:
    for slug, _, status in PAY_REFUSALS.values():
        assert KINDS[slug].status == status
    for slug, _, status in PLACE_REFUSALS.values():
        assert KINDS[slug].status == status


def test_only_what_may_have_happened_is_indefinite() -> None:
    assert {slug for slug, kind in KINDS.items() if not kind.is_definite} == {
        "unknown-commit",
        "internal",
    }


@pytest.mark.parametrize("slug", KINDS)
def test_a_body_says_it_all(slug: str) -> None:
    response = problem(slug, "what was wrong")
    assert isinstance(response.body, bytes)
    body = json.loads(response.body)
    kind = KINDS[slug]
    assert body == {
        "type": BASE + slug,
        "title": kind.title,
        "status": kind.status,
        "detail": "what was wrong",
        "definite": kind.is_definite,
        "refusal": kind.is_refusal,
    }
    assert response.status == kind.status
    assert response.content_type == "application/problem+json"
    assert ("Retry-After" in response.headers) is (kind.status in (429, 503, 504))


def test_a_refusal_may_have_its_own_status() -> None:
    response = problem_of(errors.RefusedError("validation", "too large", 413))
    assert response.status == 413
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["status"] == 413


def test_an_open_breaker_is_definite() -> None:
    response = problem_of(BreakerOpenError("shard1", 0.5))
    assert response.status == 503
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["type"] == BASE + "breaker-open"
