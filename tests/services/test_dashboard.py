"""The dashboard shows what the backend really exports: every expression is asked of a backend that serves orders."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from scripts.containers import ROOT
from scripts.dashboard import expressions
from tests.services import servers
from tests.services.backends import servers_of_a_session, world
from tests.services.servers import Backend, Stack
from tests.services.shop import Shop

pytestmark = pytest.mark.services

SCRAPE_EVERY, RATE_INTERVAL = "500ms", "10s"
_METRIC = re.compile(r"\b(flashdrill_[a-z_]+)(?:\{([^}]*)\})?")
_SELECTOR = re.compile(r'(\w+)(=~|=)"([^"]*)"')


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from servers_of_a_session()


@asynccontextmanager
async def busy(stack: Stack, folder: Path) -> AsyncIterator[Backend]:
    """A backend to which customers come all the time: some buy, some are refused."""
    async with (
        world(stack, folder, {"some": 100_000, "none": 0}) as made,
        made.serving() as (backend, shop),
        asyncio.TaskGroup() as group,
    ):
        crowd = group.create_task(_customers(shop))
        try:
            yield backend
        finally:
            crowd.cancel()


async def _customers(shop: Shop) -> None:
    number = 0
    while True:
        number += 1
        await shop.order(f"u{number}", f"k{number}", {"none" if number % 5 == 0 else "some": 1})
        await asyncio.sleep(0.005)


async def _get(url: str, **parameters: str) -> str:
    limit = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.get(url, params=parameters) as answer,
    ):
        answer.raise_for_status()
        return await answer.text()


def _series(text: str) -> dict[str, list[dict[str, str]]]:
    """The labels of every series of a scrape, by the name of its metric."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def unmatched(expr: str, series: dict[str, list[dict[str, str]]]) -> list[str]:
    """The selectors of an expression that no series answers."""
    return [
        m[0]
        for m in _METRIC.finditer(expr)
        if not any(_fits(m[2], s) for s in series.get(m[1], []))
    ]


def _fits(selector: str | None, labels: dict[str, str]) -> bool:
    for label, operator, value in _SELECTOR.findall(selector or ""):
        told = labels.get(label, "")
        if not (re.fullmatch(value, told) if operator == "=~" else told == value):
            return False
    return True


def test_a_metric_that_nobody_exports_is_seen() -> None:
    series = {"flashdrill_level": [{"shard": "shard0"}]}
    assert not unmatched('flashdrill_level{shard=~"shard.*"}', series)
    assert unmatched('sum(flashdrill_level{shard="redis"})', series)
    assert unmatched("rate(flashdrill_levels[5s])", series)


async def test_every_expression_uses_what_the_backend_exports(stack: Stack, tmp_path: Path) -> None:
    async with busy(stack, tmp_path) as backend:

        async def series() -> dict[str, list[dict[str, str]]] | None:
            found = _series(await _get(f"http://127.0.0.1:{backend.metrics_port}/metrics"))
            results = {labels["result"] for labels in found.get("flashdrill_orders_total", [])}
            return found if {"placed", "sold_out"} <= results else None

        exported = await servers.eventually("orders of both kinds", series)
        assert {expr: u for expr in expressions() if (u := unmatched(expr, exported))} == {}


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (make containers does)"
)
async def test_prometheus_with_the_committed_config_answers_every_expression(
    stack: Stack, tmp_path: Path
) -> None:
    async with busy(stack, tmp_path / "world") as backend:
        with _prometheus(tmp_path, backend.metrics_port) as url:
            for expr in expressions():
                await servers.eventually(expr, lambda expr=expr: _has_data(url, expr))


async def _has_data(url: str, expr: str) -> bool:
    query = expr.replace("$__rate_interval", RATE_INTERVAL)
    try:
        answer = yaml.safe_load(await _get(f"{url}/api/v1/query", query=query))
    except aiohttp.ClientError:
        return False  # it has not started yet
    values = [float(result["value"][1]) for result in answer["data"]["result"]]
    return any(math.isfinite(value) for value in values)


@contextmanager
def _prometheus(folder: Path, metrics_port: int) -> Iterator[str]:
    """Prometheus with the committed configuration, but for the address of the backend and the pace."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(config["global"], SCRAPE_EVERY)
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{metrics_port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{servers.free_port()}"
    argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
    argv += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)
