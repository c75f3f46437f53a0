"""The OpenAPI document: the committed copy is the generated one, and every route is in it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from backend.__main__ import main, without_addresses
from backend.answers import OrderStatus
from backend.openapi import document
from backend.operations import OPERATIONS
from backend.problems import BASE, KINDS
from backend.read import STATUSES
from backend.routes import Edge

COMMITTED = Path(__file__).parents[2] / "backend" / "openapi.json"
SETTINGS = without_addresses({})
DOCUMENT = document(SETTINGS)


def application() -> web.Application:
    """The routes of the service; nobody is behind them."""
    parts: Any = dict.fromkeys(
        ("clock", "requests", "place", "pay", "reads", "readiness", "registry")
    )
    return Edge(settings=SETTINGS, dice=random.Random(), **parts).application()


def routes(app: web.Application) -> set[tuple[str, str]]:
    """(method, path); aiohttp answers HEAD wherever it answers GET, which no document has to say."""
    found = {(r.method, r.resource.canonical) for r in app.router.routes() if r.resource}
    return {(method, path) for method, path in found if method != "HEAD"}


def documented(described: dict[str, Any]) -> set[tuple[str, str]]:
    """(method, path) of every operation."""
    return {(method.upper(), path) for path, item in described["paths"].items() for method in item}


def test_the_committed_copy_is_the_generated_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    generated = capsys.readouterr().out
    assert COMMITTED.read_text(encoding="utf-8") == generated, "run `make openapi`"
    assert json.loads(generated) == DOCUMENT


def test_every_route_is_documented_and_every_operation_routed() -> None:
    assert routes(application()) == documented(DOCUMENT)
    assert len(documented(DOCUMENT)) == len(OPERATIONS) == 8


def test_a_route_that_is_added_beside_the_table_is_seen() -> None:
    app = application()
    app.router.add_get("/refunds/{refund_id}", Edge.healthz)
    assert routes(app) - documented(DOCUMENT) == {("GET", "/refunds/{refund_id}")}


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    broken = json.loads(json.dumps(DOCUMENT))
    del broken["paths"]["/orders"]["post"]["responses"]["201"]["description"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_limits_are_those_of_the_settings() -> None:
    other = json.dumps(document(without_addresses({"body_limit_bytes": 777})))
    assert "777 bytes" in other
    assert "777 bytes" not in json.dumps(DOCUMENT)


def resolved(node: Any) -> Any:
    """What a reference points to."""
    while isinstance(node, dict) and "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def responses() -> list[tuple[str, str, dict[str, Any]]]:
    """(operation, status, response) of the whole document."""
    return [
        (operation["operationId"], status, response)
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
    ]


def examples(media: dict[str, Any]) -> list[Any]:
    """The values of a media type's examples."""
    single = [media["example"]] if "example" in media else []
    return single + [resolved(example)["value"] for example in media.get("examples", {}).values()]


def test_every_example_fits_its_schema() -> None:
    bodies = [
        operation["requestBody"]["content"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]
    bodies += [response["content"] for _, _, response in responses()]
    count = 0
    for content in bodies:
        for kind, media in content.items():
            schema = {**media["schema"], "components": DOCUMENT["components"]}
            for value in examples(media):
                Draft202012Validator(schema).validate(value)
                count += 1
            assert examples(media) or media["schema"] == {"type": "object"}, kind
    assert count > 50


def test_every_row_of_the_problem_table_is_an_answer_of_some_operation() -> None:
    sent = {slug for operation in OPERATIONS for slug, _ in operation.problems}
    assert sent == set(KINDS)


def test_a_problem_is_described_as_it_is_sent() -> None:
    for slug, kind in KINDS.items():
        name = "".join(part.capitalize() for part in slug.split("-")) + "Problem"
        fixed = DOCUMENT["components"]["schemas"][name]["properties"]
        assert {key: value["const"] for key, value in fixed.items()} == {
            "type": BASE + slug,
            "title": kind.title,
            "definite": kind.is_definite,
            "refusal": kind.is_refusal,
        }


def test_whoever_is_to_come_again_is_told_when() -> None:
    for name, status, response in responses():
        only_problems = "application/json" not in response["content"]
        promised = "Retry-After" in response.get("headers", {})
        assert promised == (status in {"503", "504"} and only_problems), (name, status)


def test_every_status_of_an_order_has_a_word() -> None:
    assert {*STATUSES.values(), OrderStatus.QUEUED, OrderStatus.COMPENSATED} == set(OrderStatus)
