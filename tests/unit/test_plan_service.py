"""A scenario's `service`: what it says, and what is refused with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flashdrill.audit.contract import CONTRACT
from flashdrill.audit.secret import reveal, reveal_token
from flashdrill.errors import ConfigError
from flashdrill.model.service import READS, HttpRead, Secret, SqlRead
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.service import ADDRESS, FINAL_READS
from flashdrill.rehearsal.prepare import check_own
from tests.unit.planning import write_scenario

SERVICE = """\
service:
  url: http://127.0.0.1:8000/shop/
  processes: {shop: {pid_file: shop.pid}}
  reads:
    dsn: {env: SHOP_DSN}
    drained: {http: /admin/waiting, token: {file: token}}
    orders: {http: /admin/orders}
    stock: {sql: "select sku, initial, sold from stock"}
    payments: {sql: select 1, sqlite: shop.db}
stages:
"""


def with_service(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in SERVICE
    return write_scenario(folder, "stages:\n", SERVICE.replace(old, new, 1))


def test_paths_are_relative_to_the_scenario_and_to_the_service(tmp_path: Path) -> None:
    service = load_scenario(with_service(tmp_path)).service
    assert service is not None
    assert service.url == "http://127.0.0.1:8000/shop"
    assert service.processes == {"shop": tmp_path / "shop.pid"}
    orders, stock, payments = (service.reads[name] for name in ("orders", "stock", "payments"))
    assert isinstance(orders, HttpRead)
    assert orders.url == "http://127.0.0.1:8000/shop/admin/orders"
    assert isinstance(stock, SqlRead)
    assert stock.dsn == Secret(env="SHOP_DSN")
    assert isinstance(payments, SqlRead)
    assert (payments.sqlite, payments.dsn) == (tmp_path / "shop.db", None)
    assert set(service.secrets()) == {Secret("SHOP_DSN"), Secret(file=tmp_path / "token")}


@pytest.mark.parametrize("port", ["1", "80", "8080", "60000", "65535"])
def test_a_scheme_may_be_in_capitals_and_a_port_up_to_the_last(tmp_path: Path, port: str) -> None:
    address = f"HTTP://127.0.0.1:{port}"
    service = load_scenario(with_service(tmp_path, "http://127.0.0.1:8000", address)).service
    assert service is not None
    assert service.url == f"http://127.0.0.1:{port}/shop"
    assert re.fullmatch(ADDRESS.pattern, "https://[::1]:8443/x")


def test_the_address_can_be_set_for_one_run(tmp_path: Path) -> None:
    scenario = load_scenario(with_service(tmp_path), ("service.url=http://127.0.0.1:9",))
    assert scenario.service is not None
    assert scenario.service.url == "http://127.0.0.1:9"
    (tmp_path / "plain").mkdir()
    plain = load_scenario(write_scenario(tmp_path / "plain"), ("service.url=http://127.0.0.1:9",))
    assert plain.service is not None
    assert plain.service.reads == {}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("http://127.0.0.1:8000/shop/", "http://me:pass@127.0.0.1:8000", "no user, password"),
        ("http://127.0.0.1:8000/shop/", "ftp://127.0.0.1", "not an address"),
        ("http://127.0.0.1:8000/shop/", "http://127.0.0.1:99999", "a port from 1 to 65535"),
        ("http://127.0.0.1:8000/shop/", "http://127.0.0.1:0", "a port from 1 to 65535"),
        ("http://127.0.0.1:8000/shop/", "http://127.0.0.1:abc", "a port from 1 to 65535"),
        ("http://127.0.0.1:8000/shop/", "'http://[1:2]:80'", "not an address"),
        ("http://127.0.0.1:8000/shop/", "http://...", "not an address"),
        ("{http: /admin/orders}", "{http: 'http://127.0.0.1:65536/o'}", "a port from 1 to 65535"),
        ("  processes:", "  metrics: {shop: 'http://127.0.0.1:x/m'}\n  processes:", "a port from"),
        ("{http: /admin/orders}", "{http: /o, sql: select 1}", "either `sql` or `http`"),
        ("{http: /admin/orders}", "{http: /o, sqlite: a.db}", "goes with `sql`"),
        ("{http: /admin/orders}", "{sql: select 1, token: {env: A}}", "goes with `http`"),
        ("    dsn: {env: SHOP_DSN}\n", "", "nobody says where the database is"),
        ("{env: SHOP_DSN}", "{env: SHOP_DSN, file: x}", "either `env` or `file`"),
        ("{env: SHOP_DSN}", "postgresql://u:p@h/d", "not the secret itself"),
        ("    orders:", "    order:", "did you mean 'orders'?"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"small\.yaml:\d+: ") as error:
        load_scenario(with_service(tmp_path, old, new))
    assert words in str(error.value)
    assert "u:p@h" not in str(error.value)
    assert "me:pass" not in str(error.value)


@pytest.mark.parametrize("more", ["backend: {pool_size: 8}\n", "time_scale: 10\n"])
def test_what_only_the_reference_stack_obeys_is_refused(tmp_path: Path, more: str) -> None:
    path = with_service(tmp_path)
    path.write_text(path.read_text() + more)
    with pytest.raises(ConfigError, match="your own service"):
        load_scenario(path)


def test_a_secret_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_DSN", raising=False)
    with pytest.raises(ConfigError, match=r"\$SHOP_DSN is not set"):
        reveal(Secret("SHOP_DSN"))
    with pytest.raises(ConfigError, match="cannot be read"):
        reveal(Secret(file=tmp_path / "dsn"))
    (tmp_path / "dsn").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        reveal(Secret(file=tmp_path / "dsn"))
    (tmp_path / "dsn").write_text("postgresql://x\n")
    assert reveal(Secret(file=tmp_path / "dsn")) == "postgresql://x"


def test_every_read_of_the_contract_can_be_declared() -> None:
    assert set(READS) == set(CONTRACT) == set(FINAL_READS.fields) - {"dsn", "settle", "drained"}


def test_a_token_that_cannot_be_sent_is_refused_before_the_run_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = load_scenario(with_service(tmp_path)).service
    assert service is not None
    monkeypatch.setenv("SHOP_DSN", "postgresql://somewhere")
    (tmp_path / "token").write_text("sesame\n")
    check_own(service, "auto")
    for text in ("ses\name", "ses\rame", "sésame"):
        (tmp_path / "token").write_text(text)
        with pytest.raises(ConfigError, match="cannot be sent in a header") as error:
            check_own(service, "auto")
        assert "ame" not in str(error.value).replace(str(tmp_path), "")
        with pytest.raises(ConfigError):
            reveal_token(Secret(file=tmp_path / "token"))
