"""A recording of a browser, imported and sent again: its own requests, at its own times, without its secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from flashdrill.cli.main import main
from flashdrill.load.schedule import arrivals
from flashdrill.model.op import Outcome
from flashdrill.plan.scenario import load_scenario
from tests.services.test_load_child import crowd
from tests.unit.har_files import as_form, as_json, entry, har

pytestmark = pytest.mark.services

TOKEN = "of-the-rehearsal"
SCENARIO = """\
name: replay
requests: shop.requests.yaml
seed: 3
service: {url: http://127.0.0.1:1}
"""
RECORDED = "traffic: {file: traffic.yaml, speed: 2}\n"
VISITS = "stages: [{name: rush, duration: 1s, arrivals: {visit: 10/s}}]\n"


class Mirror:
    """Answers anything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.headers: Counter[tuple[str, str]] = Counter()
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mirror]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests[request.method, request.raw_path, await request.text()] += 1
        self.headers.update((name, value) for name, value in request.headers.items())
        return web.Response(status=201 if request.method == "POST" else 200)


def recorded(folder: Path) -> Path:
    """The files of an import, and the scenario."""
    token = {"Authorization": "Bearer of-the-browser", "Cookie": "sid=of-the-browser"}
    source = har(
        folder / "shop.har",
        entry(
            url="/items?q=caf%C3%A9&page=1&sid=of-the-browser", headers={"X-Client": "web", **token}
        ),
        entry(url="/items/17", at_s=0.2, headers=token),
        entry(url="/items/18", at_s=0.5),
        entry(
            "POST",
            "/orders",
            1,
            status=201,
            post=as_json({"sku": "lämp", "quantity": 2}),
            headers=token,
        ),
        entry("POST", "/pay", 1.4, status=201, post=as_form("order=7&note=a+b%26c")),
        entry(
            "POST",
            "/login",
            1.6,
            status=201,
            post=as_json({"user": "ann", "password": "of-the-browser"}),
        ),
        entry(url="/logo.png", answer="image/png"),
    )
    words = ["import", "har", str(source), "-o", str(folder / "traffic.yaml")]
    result = CliRunner().invoke(main, [*words, "--requests", str(folder / "shop.requests.yaml")])
    assert result.exit_code == 0, result.output
    return folder / "replay.yaml"


@pytest.mark.parametrize("load", [RECORDED, VISITS], ids=["recorded", "visits"])
async def test_a_shop_gets_the_recorded_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str
) -> None:
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.setenv(f"RECORDED_{name}", TOKEN)
    path = recorded(tmp_path)
    path.write_text(SCENARIO + load)
    scenario = load_scenario(path)
    settings = {
        "locustfile": scenario.locustfile,
        "templates": scenario.templates,
        "world": scenario.world,
        "seed": scenario.seed,
    }
    async with Mirror().serving() as shop:
        async with crowd(shop, tmp_path, *scenario.stages, **settings) as running:  # type: ignore[arg-type]
            await running.begin()
            done = await running.finish()
        ops = running.ops()
    assert done["crowd_errors"] == 0
    assert {op.outcome for op in ops} == {Outcome.OK}
    times = 1 if load == RECORDED else sum(1 for _ in arrivals(scenario.stages, scenario.seed))
    assert shop.requests == {
        ("GET", "/items?q=caf%C3%A9&page=1", ""): times,
        ("GET", "/items/17", ""): 2 * times,
        ("POST", "/orders", '{"sku":"lämp","quantity":2}'): times,
        ("POST", "/pay", "order=7&note=a+b%26c"): times,
        ("POST", "/login", f'{{"user":"{TOKEN}","password":"{TOKEN}"}}'): times,
    }
    assert shop.headers["X-Client", "web"] == times
    assert shop.headers["Authorization", f"Bearer {TOKEN}"] == 4 * times
    assert not any("of-the-browser" in value for _, value in shop.headers)
