"""A file of requests: what it says, and what is refused with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flashdrill.errors import ConfigError
from flashdrill.load.spec import CrowdSpec, read_spec, write_spec
from flashdrill.model.scenario import World
from flashdrill.model.service import Secret
from flashdrill.model.templates import Step
from flashdrill.plan.crowd import orders_from
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.schema import schema_for
from flashdrill.plan.templates import read_templates
from flashdrill.plan.validate import validate_file
from flashdrill.rehearsal.prepare import check_templates

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requests.md").read_text(encoding="utf-8")
REQUESTS, SCENARIO = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

LOCAL = "http://127.0.0.1:8000"


def write(folder: Path, old: str = "", new: str = "", scenario: str = SCENARIO) -> Path:
    """The files of docs/requests.md, with one change; gives the scenario's."""
    assert old in REQUESTS
    (folder / "people.csv").write_text("id,age\nu1,20\nu2,30\nu3,40\n")
    (folder / "shop.requests.yaml").write_text(REQUESTS.replace(old, new, 1) if old else REQUESTS)
    (folder / "first.yaml").write_text(scenario)
    return folder / "first.yaml"


def complaint(kind: str, document: Any) -> str:
    """What the schema says against a document; empty when it is content."""
    validator = jsonschema.Draft202012Validator(schema_for(kind))
    return next((error.message for error in validator.iter_errors(document)), "")


def test_the_pages_example_is_one(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert validate_file(path) == "scenario"
    assert validate_file(tmp_path / "shop.requests.yaml") == "requests"
    assert complaint("requests", yaml.safe_load(REQUESTS)) == ""
    assert complaint("scenario", yaml.safe_load(SCENARIO)) == ""
    templates = load_scenario(path).templates
    assert templates is not None
    buy = templates.requests["buy"]
    assert (buy.method, buy.attempts, buy.ok) == ("POST", 3, {201: "placed"})
    assert buy.definite == {400: "http_400", 422: "http_422"}
    assert templates.journeys["buyer"][1] == Step("", 1.0, 3.0)
    assert templates.journeys["look"] == (Step("look"),)
    assert "track" not in templates.journeys, "it needs what another captures"
    assert set(templates.every_secret()) == {Secret("SHOP_TOKEN"), Secret("SHOP_SECRET")}


def test_the_specification_of_a_crowd_carries_them_and_no_secret(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path))
    spec = CrowdSpec.from_scenario(
        scenario, base_url=LOCAL, payment_url=LOCAL, hmac_secret="", folder=tmp_path
    )
    write_spec(spec, tmp_path / "crowd.json")
    assert read_spec(tmp_path / "crowd.json").templates == scenario.templates


def test_files_are_found_from_another_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "{env: SHOP_SECRET}", "{file: secret.txt}")
    monkeypatch.chdir(tmp_path)
    templates = load_scenario(Path("first.yaml")).templates
    assert templates is not None
    assert templates.feeds["people"].csv == tmp_path.resolve() / "people.csv"
    assert Secret(file=tmp_path.resolve() / "secret.txt") in set(templates.every_secret())


def test_plain_locust_needs_no_secret_of_callbacks(tmp_path: Path) -> None:
    told = {
        "FLASHDRILL_SCENARIO": str(write(tmp_path)),
        "FLASHDRILL_BACKEND_URL": "http://127.0.0.1:8000",
        "FLASHDRILL_RUN_DIR": str(tmp_path / "runs"),
    }
    assert orders_from(told).name == "first"


BUY = 'json: {customer: "${people.id}", visit: "${visit}", quantity: "${random:1..3}"}'
MISTAKES = [
    ("${people.id}", "${people.ids}", "did you mean 'people.id'?"),
    ("${product.sku}", "${product.skuu}", "did you mean 'product.sku'?"),
    ("${random:1..3}", "${random:3..1}", "ends before it begins"),
    ("${random:1..3}", "${random:1-3}", "nothing fills ${random:1-3}"),
    ("${people.id}", "${people.id", "without its end"),
    ("people.csv", "nobody.csv", "no such file"),
    ("order: sequence", "order: twice", "sequence or random or once"),
    ("order: sequence", "numbers: [id]", "expected a whole number, found 'u1'"),
    ("order: sequence", "numbers: [size]", "no column 'size'"),
    ("{csv: people.csv, order: sequence}", "{order: once}", "either `csv` or `sequence`"),
    ("{from: 1000, step: 1}", "{step: 0}", "the same number"),
    ("visit: {sequence", "user: {sequence", "cannot be called 'user'"),
    (BUY, f"{BUY}\n    body: text", "one of json, form, body"),
    ("refused: {409: sold_out}", "refused: [201]", "201 is in `ok` and in `refused`"),
    ("refused: {409: sold_out}", "refused: {4o9: sold_out}", "no status"),
    ("refused: {409: sold_out}", "refused: 409", "expected statuses"),
    ("ok: {201: placed}", "ok: []", "no status acknowledges it"),
    ("/order/id", "order.id", "JSON pointer"),
    ("capture: {order_id:", "capture: {visit:", "something else already"),
    ("/buy/${product.sku}", "/buy/${order_id}", "before the answer tells it"),
    ("/buy/${product.sku}", "buy", "a path such as"),
    ("Bearer ${secret.token}", "Bearer 4f3a-9911", "written out"),
    ("{Authorization:", "{Content-Length: 5, Authorization:", "set by flashdrill itself"),
    ("{Authorization:", "{transfer-encoding: chunked, Authorization:", "set by flashdrill itself"),
    ("{Authorization:", "{AUTHORIZATION: '${secret.token}', Authorization:", "there twice"),
    ("{Authorization:", "{X-A: \"b\\nc\", Authorization:", "a line break in X-A"),
    ("path: /items/${product.sku}", "path: \"/items\\x01\"", "a path such as"),
    ("Bearer ${secret.token}", "Bearer ${secret.token", "without its end"),
    ("Bearer ${secret.token}", "Bearer 4f3a-9911$${", "written out"),
    ("Authorization: \"Bearer ${secret.token}\"", "X-Api-Key: 4f3a-9911", "X-Api-Key is written out"),
    ("Authorization: \"Bearer ${secret.token}\"", "X-Session-Token: 4f3a-9911", "is written out"),
    ("secret: {env: SHOP_SECRET}", "secret: s3cr3t-77", "not the secret itself"),
    ("of: body", "of: '${timestamp}.${body}'", "no header tells it"),
    ("of: body", "of: '${bodi}'", "did you mean 'body'?"),
    ("of: body", "of: hello", "the same for every request"),
    ("of: body", "algorithm: md5", "hmac-sha256"),
    ("quantity: ${random:1..3}\n", "quantity: ${people.id}\n", "the feed's `numbers`"),
    ("price_cents: ${prod", "amount_cents: 5\n      price_cents: ${prod", "costs already"),
    ("[look, {think", "[lok, {think", "did you mean 'look'?"),
    ("[look, {think: 1s..3s}, buy", "[{think: 1s}, buy", "begins with a request"),
    ("[look, {think: 1s..3s}, buy", "[look, track, buy", "track needs ${order_id}"),
    ("1s..3s", "3s..1s", "ends before it begins"),
    ("1s..3s", "three", "a duration"),
    ("visit: \"${visit}\"", "\"${visit}\": 1", "into the key '${visit}'"),
    ("    refused:", "    refuzed:", "did you mean 'refused'?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_scenario(write(tmp_path, old, new))
    assert words in f"{error.value} {error.value.remedy}"
    assert error.value.path is not None
    assert error.value.path.name in {"shop.requests.yaml", "people.csv"}
    changed = REQUESTS[: REQUESTS.index(old)].count("\n") + 1
    if error.value.path.suffix == ".yaml":
        assert error.value.line is not None
        assert abs(error.value.line - changed) <= 1
    assert "s3cr3t-77" not in str(error.value)
    assert "4f3a-9911" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words", "place"),
    [
        ("requests: shop", "locustfile: a.py\nrequests: shop", "no such file", "first.yaml:3"),
        ("requests: shop.requests.yaml\n", "", "'locustfile' or 'requests'", "first.yaml:2"),
        ("buyer: 20/s", "buyers: 20/s", "did you mean 'buyer'?", "first.yaml:"),
        ("look: 100/s", "track: 100/s", "no journey 'track'", "first.yaml:"),
        ("stages:", "gates: [p99(lok) < 1s]\nstages:", "did you mean 'look'?", "first.yaml:8"),
        ("stages:", "gates: [error_rate(buy) < 1%]\nstages:", "place_order", "first.yaml:8"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused(
    tmp_path: Path, old: str, new: str, words: str, place: str
) -> None:
    assert old in SCENARIO
    with pytest.raises(ConfigError) as error:
        load_scenario(write(tmp_path, scenario=SCENARIO.replace(old, new, 1)))
    assert words in str(error.value)
    assert place in str(error.value)


def test_a_gate_may_name_a_request_or_the_kind_that_it_says(tmp_path: Path) -> None:
    gates = "gates: [p99(look) < 1s, 'error_rate(place_order) < 1%', p99 < 2s]\nstages:"
    scenario = load_scenario(write(tmp_path, scenario=SCENARIO.replace("stages:", gates, 1)))
    assert len(scenario.gates) == 3


def test_a_scenario_has_one_kind_of_customers(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    both = SCENARIO.replace("requests:", "locustfile: a.py\nrequests:", 1)
    with pytest.raises(ConfigError, match=r"first\.yaml:\d+: requests: the scenario has a locust"):
        load_scenario(write(tmp_path, scenario=both))
    assert complaint("scenario", yaml.safe_load(both))


def test_products_are_drawn_from_a_world_only(tmp_path: Path) -> None:
    document = yaml.safe_load(SCENARIO)
    del document["world"]
    with pytest.raises(ConfigError, match=r"requests\.yaml:\d+: .*drawn from `world`"):
        load_scenario(write(tmp_path, scenario=yaml.safe_dump(document)))
    assert complaint("scenario", document) == ""
    path = write(tmp_path, scenario=yaml.safe_dump(document))
    (tmp_path / "shop.requests.yaml").write_text("requests: {look: {path: /}}\n")
    document["stages"] = [{"name": "a", "duration": "1s", "arrivals": {"look": "5/s"}}]
    path.write_text(yaml.safe_dump(document))
    assert load_scenario(path).world.products == ()


def test_a_locustfile_needs_a_world(tmp_path: Path) -> None:
    (tmp_path / "crowd.py").touch()
    path = tmp_path / "scenario.yaml"
    path.write_text("name: a\nlocustfile: crowd.py\nstages: [{name: a, duration: 1s}]\n")
    with pytest.raises(ConfigError, match="needs 'world'"):
        load_scenario(path)


def test_rows_that_are_used_once_must_be_enough(tmp_path: Path) -> None:
    path = write(tmp_path, "order: sequence", "order: once")
    with pytest.raises(ConfigError, match=r"\d+ customers \(buyer\) take a row") as error:
        load_scenario(path)
    assert "has 3" in str(error.value)
    assert "shop.requests.yaml:5: " in str(error.value)
    needed = int(re.findall(r"(\d+) customers", str(error.value))[0])
    rows = "".join(f"u{n},20\n" for n in range(needed))
    (tmp_path / "people.csv").write_text(f"id,age\n{rows}")
    assert load_scenario(path).templates is not None


def test_rows_that_are_used_once_are_refused_on_a_staircase_that_stops_at_its_knee(
    tmp_path: Path,
) -> None:
    document = yaml.safe_load(SCENARIO)
    stairs = {"from": "1/s", "to": "2/s", "step": "1/s", "hold": "2s", "stop_at_knee": True}
    document["stages"] = [{"name": "climb", "staircase": stairs, "mix": {"buyer": 1}}]
    path = write(tmp_path, "order: sequence", "order: once", yaml.safe_dump(document))
    (tmp_path / "people.csv").write_text("id,age\n" + "u,20\n" * 99)
    with pytest.raises(ConfigError, match="is used once, and climb, in which buyer") as error:
        load_scenario(path)
    assert "shop.requests.yaml:5: " in str(error.value)
    document["stages"][0]["mix"] = {"look": 1}
    path.write_text(yaml.safe_dump(document))
    assert load_scenario(path).climb is not None
    document["stages"][0]["mix"] = {"buyer": 1}
    del stairs["stop_at_knee"]
    path.write_text(yaml.safe_dump(document))
    assert load_scenario(path).climb is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,age\n", "no rows"),
        ("id,id\nu1,2\n", "two columns"),
        ("id,\nu1,2\n", "cannot be called"),
        ("id,age\nu1,2\nu2\n", "people.csv:3: 1 cells, and the header has 2"),
        ('id,age\n"u1,2\n', "not a row of CSV"),
        ("id,age\nu1,\udcff\n", "not UTF-8"),
    ],
)
def test_a_csv_file_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path)
    (tmp_path / "people.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as error:
        read_templates(tmp_path / "shop.requests.yaml")
    assert words in str(error.value)
    assert "people.csv" in str(error.value)
    assert path.exists()


def test_what_only_a_run_can_know_is_refused_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = load_scenario(write(tmp_path))
    monkeypatch.setenv("SHOP_TOKEN", "t")
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    with pytest.raises(ConfigError, match=r"\$SHOP_SECRET is not set"):
        check_templates(scenario)
    monkeypatch.setenv("SHOP_SECRET", "s")
    check_templates(scenario)
    nobodys = replace(scenario, service=None)
    check_templates(nobodys)
    with pytest.raises(ConfigError, match=r"first\.yaml: the reference stack needs `world`"):
        check_templates(replace(nobodys, world=World(0, ())))


def test_more_attempts_than_the_run_waits_for_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "retry: {attempts: 3}", "retry: {attempts: 4}")
    with pytest.raises(ConfigError, match=r"requests\.yaml:12: buy .* limits\.max_attempts is 3"):
        load_scenario(path)
    assert load_scenario(path, ("limits.max_attempts=4",)).templates is not None
