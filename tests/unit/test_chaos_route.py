"""Which canaries an HTTP fault is looked for with: among its requests, harmless, and refused when there can be none."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from flashdrill.chaos.question import Question
from flashdrill.chaos.route import MOST_CANARIES, Route
from flashdrill.errors import ConfigError


def first(route: Route) -> Question:
    return next(route.questions())


@pytest.mark.parametrize(
    ("route", "canary"),
    [
        (Route(), "GET /healthz"),
        (Route("/health*"), "GET /healthz"),
        (Route("*", "POST"), "POST /healthz"),
        (Route("/orders*"), "GET /orders-canary"),
        (Route("/orders*", "POST"), "POST /orders-canary"),
        (Route("/orders/*", "DELETE"), "DELETE /orders/canary"),
        (Route("/products/hot-1"), "GET /products/hot-1"),
        (Route("/orders", "POST"), "POST /orders"),
        (Route("/orders*", canary="/orders/0"), "GET /orders/0"),
        (Route("/orders*", canary="/orders?page=2"), "GET /orders?page=2"),
        (Route("/orders/7", "DELETE", canary="/orders/7"), "DELETE /orders/7"),
    ],
)
def test_the_canary_of_a_route(route: Route, canary: str) -> None:
    assert str(first(route)) == canary
    assert first(route).body == b""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": "/orders*", "canary": "/healthz"}, "is not on the route"),
        ({"path": "/orders/7", "method": "DELETE"}, "might do harm"),
        ({"path": "/orders/[0-9]"}, "is not on the route"),
        ({"users": 0.1, "user_key": "cookie"}, "says not where"),
        ({"users": 0.1, "user_key": "json:"}, "says not where"),
        ({"users": 0.1, "method": "GET"}, "has no body"),
        ({"users": 0.1, "user_key": "path:^/users/([^/]+)", "method": "GET"}, "must be named"),
    ],
)
def test_a_route_without_a_harmless_canary_is_refused(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        Route(**values)  # type: ignore[arg-type]
    assert refused.value.remedy


def test_canaries_come_from_different_users_where_users_count() -> None:
    orders = Route("/orders", "POST", users=0.1)
    bodies = [json.loads(question.body) for question in islice(orders.questions(), 3)]
    assert bodies == [{"user_id": f"canary-{number}"} for number in range(3)]
    assert orders.match()["users"] == 0.1
    assert orders.match()["user_from"] == {"json": "user_id"}

    by_header = Route(method="GET", users=0.1, user_key="header:X-User")
    assert [q.headers["X-User"] for q in islice(by_header.questions(), 2)] == [
        "canary-0",
        "canary-1",
    ]
    assert str(first(by_header)) == "GET /healthz"

    by_path = Route(users=0.5, user_key="path:^/users/([^/]+)", canary="/users/{user}/cart")
    assert str(first(by_path)) == "GET /users/canary-0/cart"
    assert by_path.match()["user_from"] == {"path": "^/users/([^/]+)"}


def test_nothing_is_said_of_users_where_all_are_meant() -> None:
    assert Route("/a*", "POST").match() == {"method": "POST", "path": "/a*", "share": 1.0}
    assert "user_id" not in str(first(Route("/a*", "POST")).body)


def test_a_small_share_takes_many_canaries_but_not_without_bound() -> None:
    assert Route().canaries == 3
    assert Route(share=0.5).canaries == 8
    assert Route("/o*", "POST", share=0.5, users=0.5).canaries == 16
    assert Route(share=0.001).canaries == MOST_CANARIES
    assert Route(share=0.0).canaries == 3


def test_a_request_on_the_wire() -> None:
    assert Question().encoded() == (
        b"GET /healthz HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"
    )
    assert b"Content-Length: 0\r\n" in Question("POST", "/orders").encoded()
    assert b"Connection: keep-alive\r\n" in Question(stays=True).encoded()
    with_body = Question("POST", "/o", {"X-User": "u"}, b"{}").encoded()
    assert with_body.endswith(b"Content-Length: 2\r\nX-User: u\r\n\r\n{}")
