"""Crowds that are made of request templates: a real Locust, a real server that checks what it gets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flashdrill.load.schedule import arrivals
from flashdrill.model.op import Outcome
from flashdrill.plan.scenario import load_scenario
from tests.services.template_shop import SECRET, TOKEN, TemplateShop
from tests.services.test_load_child import crowd, of_kind
from tests.services.test_load_locust import Party, last_words

pytestmark = pytest.mark.services

SCENARIO = """\
name: templates
requests: shop.requests.yaml
seed: 3
service: {url: http://127.0.0.1:1}
stages:
  - {name: rush, duration: 1.5s, arrivals: {buyer: 40/s, look: 10/s}}
limits: {in_flight: 100}
"""
REQUESTS = """\
secrets:
  token: {env: TEMPLATE_TOKEN}
feeds:
  people: {csv: people.csv, order: once, numbers: [age]}
  turn: {sequence: {from: 1000, step: 3}}
requests:
  look:
    path: /items/lamp
    headers: {Authorization: "Bearer ${secret.token}"}
  buy:
    path: /buy/${sku}
    json: {name: "${people.name}", age: "${people.age}", turn: "${turn}", quantity: "${random:1..3}", gift: false}
    headers: {X-Request-Id: "${uuid}"}
    sign:
      header: X-Signature
      of: ${timestamp}.${path}.${body}
      timestamp: X-Timestamp
      prefix: sha256=
      secret: {file: secret}
    ok: {201: placed}
    refused: {409: sold_out}
    capture: {order_no: /order/id}
    history:
      kind: place_order
      key: ${uuid}
      order_id: ${order_no}
      user_id: ${people.name}
      sku: ${sku}
      quantity: ${random:1..3}
      price_cents: 1250
  first:
    path: /items/lamp
    headers: {Authorization: "Bearer ${secret.token}"}
    capture: {sku: /0/sku}
  pay:
    path: /pay
    form: {order: "${order_no}", who: "${people.name}", note: "ä & b"}
    ok: [204]
journeys:
  buyer: [first, {think: 10ms..50ms}, buy, pay]
"""


def write(folder: Path, people: int = 400) -> Path:
    """The scenario, its requests, its people and its secret."""
    (folder / "shop.requests.yaml").write_text(REQUESTS)
    rows = "".join(f'"Müller, {n}",{20 + n % 60}\n' for n in range(people))
    (folder / "people.csv").write_text(f"name,age\n{rows}")
    (folder / "secret").write_text(f"{SECRET}\n")
    path = folder / "rush.yaml"
    path.write_text(SCENARIO)
    return path


async def test_a_strangers_shop_gets_what_the_templates_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPLATE_TOKEN", TOKEN)
    scenario = load_scenario(write(tmp_path))
    assert scenario.templates is not None
    async with TemplateShop(stock=90).serving() as shop:
        settings = {
            "locustfile": scenario.locustfile,
            "templates": scenario.templates,
            "world": scenario.world,
            "limits": scenario.limits,
            "seed": scenario.seed,
        }
        async with crowd(shop, tmp_path, *scenario.stages, **settings) as running:  # type: ignore[arg-type]
            await running.begin()
            done = await running.finish()
        ops = running.ops()
    assert done["crowd_errors"] == 0
    assert shop.wrong == []
    buys = of_kind(ops, "place_order")
    placed = [op for op in buys if op.outcome is Outcome.OK]
    refused = [op for op in buys if op.is_refusal]
    due = [a for a in arrivals(scenario.stages, scenario.seed) if a.journey == "buyer"]
    assert len(buys) == len(placed) + len(refused) == len(due)
    assert {op.reason for op in refused} == {"sold_out"}
    assert refused

    known = {wish["request_id"]: (n + 1, wish) for n, wish in enumerate(shop.bought)}
    assert len(known) == len(placed) == len(shop.bought)
    for op in placed:
        number, wish = known[op.key]
        assert (op.order_id, op.user_id, op.sku) == (str(number), wish["name"], "lamp")
        assert (op.quantity, op.amount_cents) == (wish["quantity"], 1250 * wish["quantity"])
        assert wish["gift"] is False
    turns = Counter(wish["turn"] for wish in shop.bought)
    assert set(turns) <= {1000 + 3 * a.index for a in due}
    assert set(turns.values()) == {1}
    assert len({wish["name"] for wish in shop.bought}) == len(shop.bought)
    assert sorted(int(p["order"]) for p in shop.paid) == list(range(1, len(placed) + 1))
    assert {p["note"] for p in shop.paid} == {"ä & b"}
    everything = "".join(
        p.read_text(errors="replace") for p in tmp_path.iterdir() if p.name != "secret"
    )
    assert SECRET not in everything
    assert TOKEN not in everything


ONE_LINE = "from flashdrill.load.templates.locustfile.customers import Customers  # noqa: F401\n"


async def test_two_workers_of_plain_locust_share_rows_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPLATE_TOKEN", TOKEN)
    path = write(tmp_path)
    (tmp_path / "locustfile.py").write_text(ONE_LINE)
    async with TemplateShop().serving() as shop:
        party = Party(tmp_path, shop.url)
        party.environment |= {"FLASHDRILL_SCENARIO": str(path)}
        del party.environment["FLASHDRILL_HMAC_SECRET_FILE"]
        (tmp_path / "secret").write_text(SECRET)
        bound = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(party.port))
        at = ("--master-host", "127.0.0.1", "--master-port", str(party.port))
        roles = [
            ("--master", "--headless", "--users", "1", "--expect-workers", "2", *bound),
            ("--worker", *at),
            ("--worker", *at),
        ]
        try:
            processes = [
                await party.start(*role, locustfile=tmp_path / "locustfile.py") for role in roles
            ]
            said = await last_words(processes[0])
        finally:
            await party.clean_up()
    assert len(party.due_times_s()) == 2, said
    scenario = load_scenario(path)
    due = [a for a in arrivals(scenario.stages, scenario.seed) if a.journey == "buyer"]
    assert shop.wrong == []
    assert sorted(wish["turn"] for wish in shop.bought) == [1000 + 3 * a.index for a in due]
    assert sorted(wish["name"] for wish in shop.bought) == sorted(
        f"Müller, {n}" for n in range(len(due))
    )
