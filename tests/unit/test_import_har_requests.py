"""Request templates from a HAR: what a person finds in the file, and that the file is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from flashdrill.cli.main import main
from flashdrill.errors import ConfigError
from flashdrill.model.templates import Step, Templates
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.templates import read_templates
from flashdrill.plan.traffic import read_traffic
from tests.unit.har_files import as_form, as_json, entry, har


def imported(path: Path, kind: str = "har", *options: str) -> tuple[Templates, str]:
    """The requests of a recording, and their file's text."""
    requests = path.with_name("shop.requests.yaml")
    words = ["import", kind, str(path), "-o", str(path.with_name("traffic.yaml"))]
    result = CliRunner().invoke(main, [*words, "--requests", str(requests), *options])
    assert result.exit_code == 0, result.output
    return read_templates(requests, has_world=False), requests.read_text()


def shop(folder: Path) -> Path:
    """A visit to a shop: a list, an item, an order, and a form."""
    return har(
        folder / "shop.har",
        entry(
            url="/items?page=1&sort=price",
            headers={"Accept": "application/json", "X-Client": "web"},
        ),
        entry(url="/items/17", at_s=2.05, status=304, headers={"If-None-Match": "x"}),
        entry(url="/items/18", at_s=3.1),
        entry(
            "POST",
            "/orders",
            5.15,
            status=201,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": "1c9d",
                "X-Note": "${a}",
            },
            post=as_json(
                {"sku": "lamp", "author": "Ann", "quantity": 2, "price": 12.5, "gift": False}
            ),
            pageref="page_2",
        ),
        entry("POST", "/feedback", 6, status=302, post=as_form("text=a+b%26c&stars=5&text=more")),
        entry(
            "PUT", "/note", 7, status=204, post={"mimeType": "text/plain", "text": "ä\n  b: ${x}\n"}
        ),
        entry("POST", "/subscribe", 8, post=as_form("plan=gold&terms=on"), status=500),
    )


def test_the_ordinary_fields_of_an_ordinary_recording_are_kept(tmp_path: Path) -> None:
    templates, text = imported(shop(tmp_path))
    requests = templates.requests
    look = requests["get_items"]
    assert (look.method, look.url_path) == ("GET", "/items?page=1&sort=price")
    assert look.headers == {"Accept": "application/json", "X-Client": "web"}
    assert requests["get_items_id"].url_path == "/items/17"
    assert requests["get_items_id"].ok == {200: "http_200"}
    assert "1 one with another path or body is not here" in text
    order = requests["post_orders"]
    assert order.body == {
        "sku": "lamp",
        "author": "Ann",
        "quantity": 2,
        "price": 12.5,
        "gift": False,
    }
    assert order.headers == {"Idempotency-Key": "${uuid}", "X-Note": "$${a}"}
    assert (order.body_kind, order.ok) == ("json", {201: "http_201"})
    feedback = requests["post_feedback"]
    assert (feedback.body_kind, feedback.body) == ("text", "text=a%20b%26c&stars=5&text=more")
    assert feedback.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests["put_note"].body == "ä\n  b: $${x}\n"
    assert requests["post_subscribe"].body == {"plan": "gold", "terms": "on"}
    assert requests["post_subscribe"].ok == {500: "http_500"}
    assert "was never answered well" in text
    assert templates.secrets == {}


def test_the_recorded_pauses_are_the_journeys(tmp_path: Path) -> None:
    templates, _ = imported(shop(tmp_path))
    visit = templates.journeys["visit"]
    assert visit[:6] == (
        Step("get_items"),
        Step("", 2.0, 2.0),
        Step("get_items_id"),
        Step("", 1.0, 1.0),
        Step("get_items_id"),
        Step("", 2.0, 2.0),
    )
    path = har(
        tmp_path / "pages.har",
        entry(url="/a", pageref="x"),
        entry(url="/b", at_s=0.01, pageref="x"),
        entry(url="/c", at_s=9, pageref="y"),
    )
    journeys = imported(path)[0].journeys
    assert journeys["page_1"] == (Step("get_a"), Step("get_b"))
    assert journeys["page_2"] == (Step("get_c"),)
    assert journeys["visit"][-2:] == (Step("", 8.94, 8.94), Step("get_c"))


def test_labels_become_their_requests_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    imported(shop(tmp_path), "har", "--map", "GET /items=visit")
    model = read_traffic(tmp_path / "traffic.yaml")
    assert model.operations["GET /items"] == "visit"
    assert model.operations["GET /items/*"] == "get_items_id"
    scenario = tmp_path / "first.yaml"
    scenario.write_text(
        "name: first\nrequests: shop.requests.yaml\nservice: {url: http://127.0.0.1:1}\n"
        "traffic: {file: traffic.yaml}\n"
    )
    (stage,) = load_scenario(scenario).stages
    assert {arrivals.journey for arrivals in stage.recorded} == {
        *("visit", "get_items_id", "post_orders", "post_feedback", "put_note", "post_subscribe")
    }


def test_bodies_that_a_template_cannot_hold_are_sent_as_text(tmp_path: Path) -> None:
    odd = {"${x}": 1, "small": 1e-9, "lone": "\ud800"}
    path = har(
        tmp_path / "a.har",
        entry("POST", "/odd", post=as_json(odd)),
        entry("POST", "/list", post=as_json([1])),
    )
    requests = imported(path)[0].requests
    assert requests["post_odd"].body_kind == "text"
    assert requests["post_odd"].headers["Content-Type"] == "application/json"
    assert json.loads(str(requests["post_odd"].body).replace("$${", "${")) == odd
    assert requests["post_list"].body == [1]


def test_requests_are_no_file_that_is_there_for_something_else(tmp_path: Path) -> None:
    path = shop(tmp_path)
    words = ["import", "har", str(path), "-o", str(tmp_path / "t.yaml"), "--requests"]
    for other in (tmp_path / "t.yaml", path):
        result = CliRunner().invoke(main, [*words, str(other)])
        assert result.exit_code == 2
        assert "choose another file" in result.output
    assert "entries" in path.read_text()


def test_labels_without_a_method_are_for_the_user_to_fill_in(tmp_path: Path) -> None:
    path = tmp_path / "results.jtl"
    path.write_text(
        "timeStamp,elapsed,label\n1764244800000,5,Fund Transfer\n1764244801000,5,Übersicht\n"
    )
    words = ["import", "jtl", str(path), "-o", str(tmp_path / "traffic.yaml"), "--requests"]
    requests = tmp_path / "bank.requests.yaml"
    result = CliRunner().invoke(main, [*words, str(requests)])
    assert result.exit_code == 0, result.output
    assert "requests that need a method or a path: 2" in result.output
    with pytest.raises(ConfigError, match="'Fund Transfer' needs a method and a path") as refused:
        read_templates(requests, has_world=False)
    lines = requests.read_text().splitlines()
    assert "needs a method and a path" in lines[(refused.value.line or 0) - 1]
    document = yaml.safe_load(requests.read_text())
    for request in document["requests"].values():
        request.update(method="GET", path="/filled-in")
    requests.write_text(yaml.safe_dump(document))
    assert set(read_templates(requests).requests) == {"fund_transfer", *list(document["requests"])}
    operations = read_traffic(tmp_path / "traffic.yaml").operations
    assert set(operations.values()) == set(document["requests"])


def test_an_access_log_knows_methods_and_paths_and_no_bodies(tmp_path: Path) -> None:
    line = '10.0.0.1 - - [27/Nov/2026:12:00:0{} +0000] "{} HTTP/1.1" 200 5\n'
    asked = ["GET /items/17?token=planted", "GET /items/17", "GET /items/18", "POST /orders"]
    path = tmp_path / "access.log"
    path.write_text("".join(line.format(n, each) for n, each in enumerate(asked)))
    templates, text = imported(path, "access-log", "--depth", "2")
    requests = templates.requests
    assert (requests["get_items_id"].method, requests["get_items_id"].url_path) == (
        "GET",
        "/items/17",
    )
    assert "the most frequent path of 2 or more different ones" in text
    assert (requests["post_orders"].method, requests["post_orders"].body_kind) == ("POST", "")
    assert "its body was not recorded" in text
    assert "planted" not in text


def test_who_a_person_is_is_not_in_the_labels_of_a_log_either(tmp_path: Path) -> None:
    line = '10.0.0.1 - - [27/Nov/2026:12:00:0{} +0000] "GET /{} HTTP/1.1" 200 5\n'
    paths = ["users/jane.roe@mail.example", "users/joe%40mail.example", "reset/QxZvbTk-mPwRtY"]
    path = tmp_path / "access.log"
    path.write_text("".join(line.format(n, each) for n, each in enumerate(paths)))
    templates, text = imported(path, "access-log", "--depth", "2")
    model = read_traffic(tmp_path / "traffic.yaml")
    assert model.mix == {"GET /users/*": 2, "GET /reset/*": 1}
    assert set(templates.requests) == {"get_users_id", "get_reset_id"}
    written = text + (tmp_path / "traffic.yaml").read_text()
    assert not [word for word in ("jane", "joe", "QxZvb") if word in written]


def test_the_fields_of_a_form_without_a_type_are_its_body(tmp_path: Path) -> None:
    post = {"mimeType": "", "params": [{"name": "sku", "value": "lamp"}, {"name": "n", "value": 2}]}
    templates, _ = imported(har(tmp_path / "shop.har", entry("POST", "/carts", post=post)))
    cart = templates.requests["post_carts"]
    assert (cart.body_kind, cart.body) == ("form", {"sku": "lamp", "n": "2"})
