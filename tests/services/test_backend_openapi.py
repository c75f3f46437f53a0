"""The service is what its OpenAPI document says: schemathesis asks it everything, and faults are asked for by hand."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.services import servers
from tests.services.backends import World, reach_level_1, servers_of_a_session, users_of, world
from tests.services.openapi_hooks import PRICE_CENTS
from tests.services.servers import ROOT, Backend, Stack, eventually
from tests.services.shop import Answer, Shop

pytestmark = pytest.mark.services

SEED = 20260127
UNHURRIED = {"request_deadline_s": 15, "command_timeout_s": 8, "redis_timeout_s": 8}
"""A machine that stalls must not look like a dependency that fails: here every 5xx is a finding."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from servers_of_a_session()


@dataclass(frozen=True)
class Tour:
    """What one run of schemathesis found."""

    output: str
    report: dict[str, Any]
    statuses: dict[str, set[int]]  # by `METHOD /path`

    @property
    def failures(self) -> set[tuple[str, str]]:
        """(what was found, operation)."""
        found = self.report["failures"]
        return {(failure["type"], name) for failure in found for name in failure["operations"]}


@asynccontextmanager
async def open_shop(stack: Stack, folder: Path) -> AsyncIterator[tuple[World, Backend, Shop]]:
    """A service with products for every line of an order, of which all but the first sell out."""
    async with world(stack, folder, {}, purchase_limit=1500, **UNHURRIED) as made:
        priced = {f"demo-{n}": (PRICE_CENTS, 100_000 if n == 1 else 2000) for n in range(1, 51)}
        await asyncio.to_thread(servers.seed, folder, made.settings, priced)
        async with made.serving() as (backend, shop):
            yield made, backend, shop


def ask_everything(document: dict[str, Any], url: str, folder: Path, *options: str) -> Tour:
    """Run schemathesis, in a process of its own, over the operations of the document."""
    folder.mkdir(exist_ok=True)
    described, report, har = (folder / name for name in ("openapi.json", "report.json", "har.json"))
    described.write_text(json.dumps(document))
    program = Path(sys.executable).with_name("schemathesis")
    argv = [program, "--config-file", ROOT / "tests/services/schemathesis.toml", "run", described]
    argv += ["--url", url, "--seed", str(SEED), "--no-color", "--report", "json,har"]
    argv += ["--report-json-path", report, "--report-har-path", har, *options]
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["errors"] == [], done.stdout
    return Tour(done.stdout, found, statuses_of(json.loads(har.read_text()), document, url))


def statuses_of(har: dict[str, Any], document: dict[str, Any], url: str) -> dict[str, set[int]]:
    """The statuses that were met, by operation; requests to no operation are left out."""
    met: dict[str, set[int]] = {}
    for entry in har["log"]["entries"]:
        path = entry["request"]["url"].removeprefix(url)
        for template in document["paths"]:
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
                name = f"{entry['request']['method']} {template}"
                met.setdefault(name, set()).add(entry["response"]["status"])
    return met


async def test_every_operation_answers_as_it_is_documented(stack: Stack, tmp_path: Path) -> None:
    async with open_shop(stack, tmp_path) as (_, backend, shop):
        document = (await shop.get("/openapi.json")).body
        tour = await asyncio.to_thread(ask_everything, document, backend.url, tmp_path / "tour")
        assert tour.failures == set(), tour.output
        assert tour.report["exit_code"] == 0, tour.output
        operations = sum(len(item) for item in document["paths"].values())
        assert tour.report["operations"]["tested"] == operations
        assert {p["status"] for p in tour.report["phases"].values()} == {"success"}, tour.output
        assert len(tour.report["phases"]) == 4, tour.report["phases"]
        # It got past the door everywhere: orders were placed, refused and paid, not only turned away.
        assert tour.statuses["POST /orders"] >= {201, 400, 409, 415, 422}
        assert tour.statuses["POST /payments/callback"] >= {200, 401, 404, 409, 415, 422}
        assert tour.statuses["GET /orders/{order_id}"] == {200, 404}
        assert tour.statuses["GET /products/{sku}"] == {200, 404}
        assert tour.statuses["DELETE /orders"] == {405}


def without_a_status(document: dict[str, Any]) -> None:
    del document["paths"]["/products/{sku}"]["get"]["responses"]["404"]


def without_a_field(document: dict[str, Any]) -> None:
    product = document["components"]["schemas"]["Product"]
    del product["properties"]["price_cents"]
    product["required"].remove("price_cents")


def with_another_verdict(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["NotFoundProblem"]
    schema["properties"]["definite"]["const"] = False


def with_another_content_type(document: dict[str, Any]) -> None:
    response = document["paths"]["/products/{sku}"]["get"]["responses"]["200"]
    response["content"] = {"application/xml": response["content"]["application/json"]}


def with_a_header_that_is_not_sent(document: dict[str, Any]) -> None:
    response = document["paths"]["/products/{sku}"]["get"]["responses"]["404"]
    response["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}


def with_a_wider_limit(document: dict[str, Any]) -> None:
    line = document["components"]["schemas"]["LineRequest"]
    line["properties"]["quantity"]["maximum"] = 5000


def with_an_optional_key(document: dict[str, Any]) -> None:
    document["paths"]["/orders"]["post"]["parameters"][0]["required"] = False


def with_a_path_that_is_not_there(document: dict[str, Any]) -> None:
    document["paths"]["/refunds"] = {"get": {**document["paths"]["/healthz"]["get"]}}
    document["paths"]["/refunds"]["get"]["operationId"] = "refunds"


EXAMPLES_OF_A_LIE = 25
"""Fewer than the true document is tried with: each lie is one that most answers contradict."""
UNTRUE: dict[Callable[[dict[str, Any]], None], tuple[str, str]] = {
    without_a_status: ("UndefinedStatusCode", "GET /products/{sku}"),
    without_a_field: ("JsonSchemaError", "GET /products/{sku}"),
    with_another_verdict: ("JsonSchemaError", "GET /products/{sku}"),
    with_another_content_type: ("UndefinedContentType", "GET /products/{sku}"),
    with_a_header_that_is_not_sent: ("MissingHeaders", "GET /products/{sku}"),
    with_a_wider_limit: ("CustomFailure", "POST /orders"),
    with_an_optional_key: ("RejectedPositiveData", "POST /orders"),
    with_a_path_that_is_not_there: ("UndefinedStatusCode", "GET /refunds"),
}


async def test_a_document_that_is_not_true_is_found_out(stack: Stack, tmp_path: Path) -> None:
    async with open_shop(stack, tmp_path) as (_, backend, shop):
        document = (await shop.get("/openapi.json")).body
        for change, (kind, operation) in UNTRUE.items():
            untrue = copy.deepcopy(document)
            change(untrue)
            options = [
                "--include-path",
                operation.partition(" ")[2],
                "--phases",
                "coverage,fuzzing",
                "--max-examples",
                str(EXAMPLES_OF_A_LIE),
            ]
            tour = await asyncio.to_thread(
                ask_everything, untrue, backend.url, tmp_path / change.__name__, *options
            )
            assert (kind, operation) in tour.failures, (change.__name__, tour.output)


class Contract:
    """The document as a judge of single answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.seen: set[tuple[str, int, str]] = set()  # (operation, status, problem)

    def judge(self, operation: str, answer: Answer) -> Answer:
        """Fail unless the answer is one that the operation is said to give; give it back."""
        method, _, path = operation.partition(" ")
        responses = self._document["paths"][path][method.lower()]["responses"]
        assert str(answer.status) in responses, (operation, answer)
        response = responses[str(answer.status)]
        kind = answer.headers["Content-Type"].partition(";")[0]
        assert kind in response["content"], (operation, answer)
        schema = {**response["content"][kind]["schema"], "components": self._document["components"]}
        Draft202012Validator(schema).validate(answer.body)
        for name, header in response.get("headers", {}).items():
            known = self._document["components"]["headers"][header["$ref"].rpartition("/")[2]]
            assert name in answer.headers or not known.get("required"), (operation, answer)
        self.seen.add((operation, answer.status, answer.slug))
        return answer


ORDER, CALLBACK = "POST /orders", "POST /payments/callback"
PAGE, PRODUCT, READY = "GET /orders/{order_id}", "GET /products/{sku}", "GET /readyz"


async def test_answers_without_redis_are_documented(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 40}) as made, made.serving() as (_, shop):
        contract = Contract((await shop.get("/openapi.json")).body)
        made.lines["redis"].is_black_hole = True
        contract.judge(ORDER, await shop.order("u1", "k1", {"a": 1}))
        contract.judge(PRODUCT, await shop.get("/products/a"))
        contract.judge(READY, await shop.get("/readyz"))
        assert contract.seen == {
            (ORDER, 503, "gate-unavailable"),
            (PRODUCT, 503, "gate-unavailable"),
            (READY, 503, ""),
        }


async def test_answers_with_a_dead_shard_are_documented(stack: Stack, tmp_path: Path) -> None:
    async with (
        world(stack, tmp_path, {"a": 4000}, purchase_limit=1000) as made,
        made.serving() as (_, shop),
    ):
        contract = Contract((await shop.get("/openapi.json")).body)
        users = users_of(0, 20)
        placed = contract.judge(ORDER, await shop.order(users[0], "k0", {"a": 1})).body["order_id"]
        made.lines["shard0"].is_black_hole = True
        contract.judge(ORDER, await shop.order(users[1], "k1", {"a": 1}))
        contract.judge(PAGE, await shop.get(f"/orders/{placed}"))
        contract.judge(CALLBACK, await shop.pay(placed, "T0"))
        await reach_level_1(shop, users, "a")

        async def is_queued() -> Answer | None:
            answer = contract.judge(ORDER, await shop.order(users[2], "q2", {"a": 1}))
            return answer if answer.status == 202 else None

        queued = (await eventually("an order is queued", is_queued)).body["order_id"]
        contract.judge(PAGE, await shop.get(f"/orders/{queued}"))
        contract.judge(CALLBACK, await shop.pay(queued, "T1"))
        contract.judge(PAGE, await shop.get(f"/orders/{placed}"))
        contract.judge(READY, await shop.get("/readyz"))
        assert contract.seen >= {
            (ORDER, 201, ""),
            (ORDER, 202, ""),
            (PAGE, 200, ""),
            (CALLBACK, 503, "order-still-queued"),
            (READY, 200, ""),
        }
        unknown = {(ORDER, 504, "unknown-commit"), (PAGE, 504, "unknown-commit")}
        assert contract.seen & unknown, contract.seen


async def test_an_answer_that_is_not_documented_is_seen(stack: Stack, tmp_path: Path) -> None:
    async with world(stack, tmp_path, {"a": 4}) as made, made.serving() as (_, shop):
        document = (await shop.get("/openapi.json")).body
        del document["paths"]["/products/{sku}"]["get"]["responses"]["404"]
        with pytest.raises(AssertionError, match="status=404"):
            Contract(document).judge(PRODUCT, await shop.get("/products/b"))
