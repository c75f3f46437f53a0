"""No secret of a recording comes out of an import: not into its files, not into what it prints, not into its errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashdrill.cli.main import main
from flashdrill.errors import ConfigError
from flashdrill.load.importing.nested import holds_secret
from flashdrill.load.importing.secret_names import suggests_secret, word_set
from flashdrill.load.importing.secret_values import looks_secret
from flashdrill.plan.templates import read_templates
from tests.unit.har_files import as_form, as_json, entry, har

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
RANDOM = "kX9vQ2mZ7pL4wR8tY1nB6cD3"
CARD = "4111111111111111"
EMAIL = "ann.planted@mail.example"
PHONE = "+49 151 23456789"


def run(folder: Path, *entries: Any, options: tuple[str, ...] = ()) -> str:
    """Everything that an import of these entries writes and prints, also as JSON, and when it fails."""
    path = har(folder / "shop.har", *entries)
    requests, traffic = folder / "shop.requests.yaml", folder / "traffic.yaml"
    words = ["import", "har", str(path), "-o", str(traffic), "--requests", str(requests), *options]
    written = ""
    for more in ([], ["--json"]):
        result = CliRunner().invoke(main, [*words, *more])
        if result.exception is not None:
            assert isinstance(result.exception, ConfigError | SystemExit), result.output
        written += f"{result.output}{result.stderr}{result.exception}"
    for file in (requests, traffic):
        if file.exists():
            written += file.read_text()
            if file == requests and not result.exit_code:
                read_templates(file, has_world=False)
    return written


def planted() -> list[tuple[str, dict[str, Any]]]:
    """Secrets of every kind, each one different, with the entry that holds it."""
    cases: list[tuple[str, dict[str, Any]]] = []

    def plant(make: Callable[[str], dict[str, Any]], value: str = "") -> None:
        secret = value or f"hunter{len(cases):03d}q"
        cases.append((secret, make(secret)))

    for name in (
        *(
            "Cookie",
            "Set-Cookie",
            "Proxy-Authorization",
            "X-Api-Key",
            "X-CSRF-Token",
            "X-XSRF-TOKEN",
            "X-Auth",
        ),
        *(
            "X-Amz-Security-Token",
            "X-Session-Id",
            "X-Shop-Secret",
            "Referer",
            "X-Forwarded-For",
            "X-Signature",
        ),
    ):
        plant(lambda s, name=name: entry(headers={name: s}))  # type: ignore[misc]
    for scheme in ("Bearer ", "Basic ", "Strange ", "Digest username=x, response=", ""):
        plant(lambda s, scheme=scheme: entry(headers={"Authorization": scheme + s}))  # type: ignore[misc]
    for name in (
        *(
            "token",
            "access_token",
            "id_token",
            "refresh",
            "refreshToken",
            "password",
            "passwd",
            "pwd",
            "secret",
        ),
        *(
            "api_key",
            "apikey",
            "auth",
            "session",
            "sid",
            "jwt",
            "signature",
            "otp",
            "cvv",
            "cardNumber",
            "X-Amz-Signature",
        ),
        *(
            "client_secret",
            "creditCard",
            "email",
            "phone",
            "user[password]",
            "PHPSESSID",
            "ssn",
            "iban",
        ),
    ):
        plant(lambda s, name=name: entry(url=f"/items?page=1&{quote(name)}={s}"))  # type: ignore[misc]
        plant(lambda s, name=name: entry("POST", "/form", post=as_form(f"a=1&{quote(name)}={s}")))  # type: ignore[misc]
        plant(lambda s, name=name: entry("POST", "/json", post=as_json({"a": [{"b": {name: s}}]})))  # type: ignore[misc]
        plant(
            lambda s, name=name: entry(
                "POST", "/json", post=as_json({"x": [{"name": name, "value": s}]})
            )
        )  # type: ignore[misc]
        plant(
            lambda s, name=name: entry(
                "POST", "/text", post={"mimeType": "text/plain", "text": f'{name}: "{s}"'}
            )
        )  # type: ignore[misc]
    for value in (
        JWT,
        HEX,
        RANDOM,
        CARD,
        EMAIL,
        PHONE,
        "AKIAIOSFODNN7EXAMPLE",
        "4111 1111 1111 1111",
        "13812345678",
    ):
        for make in INNOCENT.values():
            plant(make, value)
    plant(lambda s: entry(url=f"https://ann:{s}@shop.example/items"))
    plant(lambda s: entry(url=f"https://{s}@shop.example/items"))
    plant(lambda s: entry(url=f"/cb?code={s}&state=1"))
    plant(lambda s: entry(url=f"/go?to={quote(f'/x?token={s}', safe='')}"))
    plant(lambda s: entry(url=f"/items;jsessionid={s}?a=1"))
    plant(lambda s: entry(url=f"/reset/{s}"))
    plant(lambda s: entry(url=f"/items#access_token={s}"))
    for path in (
        "/login",
        "/api/v1/sign-in",
        "/oauth2/x",
        "/users/register",
        "/2fa/verify",
        "/auth/x",
    ):
        plant(lambda s, path=path: entry("POST", path, post=as_json({"who": s, "remember": [s]})))  # type: ignore[misc]
        plant(lambda s, path=path: entry("POST", path, post=as_form(f"who={s}")))  # type: ignore[misc]
        plant(
            lambda s, path=path: entry(
                "POST", path, post={"mimeType": "text/xml", "text": f"<a>{s}</a>"}
            )
        )  # type: ignore[misc]
        plant(lambda s, path=path: entry(url=f"{path}?who={s}"))  # type: ignore[misc]
    plant(
        lambda s: entry(
            "POST", "/graphql", post=as_json({"variables": {"who": s, "password": "x"}})
        )
    )
    plant(
        lambda s: entry(
            "POST", "/f", post={"mimeType": "multipart/form-data; boundary=x", "text": s}
        )
    )
    plant(
        lambda s: entry(
            "POST",
            "/f",
            post={
                "mimeType": "application/x-www-form-urlencoded",
                "params": [{"name": "pwd", "value": s}],
            },
        )
    )
    plant(lambda s: entry("POST", "/f", post={"mimeType": f"text/plain; token={s}", "text": "x"}))
    plant(
        lambda s: entry(
            "POST", "/x", post={"mimeType": "application/xml", "text": f"<password>{s}</password>"}
        )
    )
    plant(lambda s: entry(_initiator={"url": s}, comment=s, serverIPAddress=s, pageref=s))
    plant(lambda s: {**entry(), "startedDateTime": s})
    plant(lambda s: entry(url=f"https://[{s}/"))
    plant(lambda s: entry(method=s))
    plant(lambda s: {**entry(), "request": s})
    return cases


INNOCENT: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "query": lambda s: entry(url=f"/items?q={quote(s)}"),
    "bare query": lambda s: entry(url=f"/items?{quote(s)}"),
    "name of a parameter": lambda s: entry(url=f"/items?{quote(s)}=1"),
    "path": lambda s: entry(url=f"/files/{quote(s)}/show"),
    "path, twice encoded": lambda s: entry(url=f"/files/{quote(quote(s))}"),
    "field": lambda s: entry("POST", "/f", post=as_form(f"a=1&note={quote(s)}")),
    "JSON": lambda s: entry("POST", "/j", post=as_json({"a": {"note": [s, 1]}})),
    "key of JSON": lambda s: entry("POST", "/j", post=as_json({"a": {s: 1}})),
    "text in JSON": lambda s: entry("POST", "/j", post=as_json({"a": f"call {s} now"})),
    "JSON in JSON": lambda s: entry("POST", "/j", post=as_json({"a": json.dumps({"b": s})})),
    "header": lambda s: entry(headers={"X-Note": s}),
    "Accept": lambda s: entry(headers={"Accept": s}),
    "text": lambda s: entry("POST", "/t", post={"mimeType": "text/plain", "text": f"it is {s}."}),
}


def apart(number: int, each: dict[str, Any]) -> dict[str, Any]:
    """The same under a path of its own, so that it is not hidden behind the first request of its label."""
    word = "".join("klmnopqrst"[int(digit)] for digit in str(number))
    return json.loads(json.dumps(each).replace("shop.example/", f"shop.example/{word}/"))  # type: ignore[no-any-return]


def test_no_planted_secret_comes_out(tmp_path: Path) -> None:
    cases = planted()
    assert len({secret for secret, _ in cases}) > 180
    entries = [apart(number, each) for number, (_, each) in enumerate(cases)]
    written = run(tmp_path, *entries, options=("--tolerate", "5%"))
    assert "dropped from the requests" in written
    assert "RECORDED_TOKEN" in written
    requests = (tmp_path / "shop.requests.yaml").read_text()
    assert requests.count("method:") > 300
    leaked = {secret for secret, _ in cases if secret in written or quote(secret) in written}
    assert leaked == set()


def test_no_planted_secret_comes_out_in_an_error(tmp_path: Path) -> None:
    for secret, each in planted()[-4:]:
        written = run(tmp_path, each)
        assert "an entry" in written
        assert secret not in written


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(least: int, most: int) -> st.SearchStrategy[bytes]:
    """Random ones: what hypothesis likes best, a row of zeros, is nobody's secret."""
    return st.integers(0, 10**9).map(
        lambda seed: Random(seed).randbytes(least + seed % (most - least))
    )


SECRETS = st.one_of(
    _bytes(16, 40).map(bytes.hex),
    _bytes(32, 48).map(_base64),
    st.binary(min_size=6, max_size=30).map(lambda raw: f"eyJ{_base64(raw)}.{_base64(raw)}"),
    st.from_regex(r"(AKIA|ASIA)[A-Z0-9]{16}", fullmatch=True),
    st.from_regex(r"[a-z]{3,8}\.[a-z]{3,8}@[a-z]{3,8}\.(com|example)", fullmatch=True),
    st.from_regex(r"\+[1-9][0-9]{9,12}", fullmatch=True),
    st.sampled_from(
        ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"]
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(secret=SECRETS, place=st.sampled_from(sorted(INNOCENT)))
def test_a_random_secret_at_a_random_place_never_comes_out(
    tmp_path: Path, secret: str, place: str
) -> None:
    written = run(tmp_path, INNOCENT[place](secret), entry(url="/other"))
    assert secret not in written
    assert quote(secret) not in written


@pytest.mark.parametrize(
    "name",
    [
        *(
            "author",
            "category",
            "sku",
            "quantity",
            "page",
            "description",
            "code",
            "status",
            "passenger",
            "sidebar",
        ),
        *(
            "monkey",
            "design",
            "assign",
            "coupon",
            "keyword",
            "sort",
            "price_cents",
            "customerId",
            "address",
            "compass",
        ),
    ],
)
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert not suggests_secret(name)


OTHERS_NAMES = word_set("""
    pw pswd pword oldpwd newPwd userpass otpcode smsCode verifyCode recovery_code captcha authkey appKey passkey
    signingKey hmac sign ticket mnemonic ccnum pan passport senha contraseña kennwort 密码 手机号 身份证号
    """)


@pytest.mark.parametrize("name", sorted(OTHERS_NAMES))
def test_names_of_secrets_in_the_words_of_others(name: str) -> None:
    assert suggests_secret(name)


LOGINS = [
    as_json({"operationName": "Login", "variables": {"u": "bob", "c": "hunter2"}}),
    as_json(
        {"query": "mutation M($c: String!) { signIn(c: $c) { id } }", "variables": {"c": "hunter2"}}
    ),
    as_json([{"jsonrpc": "2.0", "method": "user.login", "params": ["bob", "hunter2"]}]),
    {
        "mimeType": "text/xml",
        "text": "<methodCall><methodName>login</methodName><p>hunter2</p></methodCall>",
    },
]
SIDE_BY_SIDE = [
    {"path": "/password", "value": "hunter2"},
    {"param": "token", "value": "hunter2"},
    {"k": "password", "v": "hunter2"},
    {"name": "password", "val": "hunter2"},
    {"fieldName": "pin", "fieldValue": "hunter2"},
]
XML = [
    '<param name="password"><value>hunter2</value></param>',
    "<a><input id = 'x'\n name = 'otp'>hunter2</input></a>",
    "<member><name> password </name><value><string>hunter2</string></value></member>",
]


@pytest.mark.parametrize(
    "post",
    [
        *LOGINS,
        *(as_json({"a": [pair]}) for pair in SIDE_BY_SIDE),
        *({"mimeType": "text/xml", "text": text} for text in XML),
        *(as_json({"a": text}) for text in XML),
    ],
)
def test_a_secret_that_only_its_neighbour_names_does_not_come_out(
    tmp_path: Path, post: dict[str, Any]
) -> None:
    written = run(tmp_path, entry("POST", "/graphql", post=post))
    assert "hunter2" not in written
    assert "/graphql" in written


@pytest.mark.parametrize("before", ["apikey", "invites"])
def test_parts_of_a_path_behind_such_words_do_not_come_out(tmp_path: Path, before: str) -> None:
    assert "hunter2x" not in run(tmp_path, entry(url=f"/{before}/hunter2x"))


def test_an_ordinary_graphql_request_keeps_its_fields(tmp_path: Path) -> None:
    body = as_json(
        {
            "operationName": "Cart",
            "query": "query Cart { cart { id } }",
            "variables": {"sku": "lamp"},
        }
    )
    written = run(tmp_path, entry("POST", "/graphql", post=body))
    assert "lamp" in written
    assert "operationName" in written


@pytest.mark.parametrize(
    "value",
    [
        *(
            "lamp",
            "2026-11-27T12:00:00.000Z",
            "1764244800000",
            "550e8400-e29b-41d4-a716-446655440000",
            "12.50",
        ),
        *(
            "/products/summer-sale-2026/red-lamp-with-long-name",
            "https://shop.example/items/17?page=2",
            "1234567890",
        ),
        *(
            "507f1f77bcf86cd799439011",
            "application/vnd.shop.v2+json",
            "a basic plan",
            "react@18",
            "10:30",
            "SKU-2026-000123-XL",
        ),
        *(
            "query { items(first: 10) { name price } }",
            "addToCartButtonWasClickedTwice",
            "Ann says: it is fine",
        ),
    ],
)
def test_ordinary_values_are_no_secrets(value: str) -> None:
    assert not looks_secret(value)
    assert not holds_secret(value)


RANDOM_TEXTS = [
    ("0123456789abcdef", 20, 0.02),
    ("0123456789ABCDEF", 28, 0.02),
    ("abcdefghijklmnopqrstuvwxyz0123456789", 20, 0.06),
    ("abcdefghijklmnopqrstuvwxyz0123456789", 31, 0.06),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 20, 0.2),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, 0.01),
]


@pytest.mark.parametrize(("alphabet", "length", "missed"), RANDOM_TEXTS)
def test_few_random_texts_are_missed(alphabet: str, length: int, missed: float) -> None:
    random = Random(7)
    texts = ["".join(random.choices(alphabet, k=length)) for _ in range(2000)]
    assert sum(not looks_secret(text) for text in texts) <= missed * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        *("507f1f77bcf86cd799439011", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "cjld2cjxh0000qzrmn831i7rn"),
        *("summer2026sale17items", "IPHONE15PROMAX256GBBLACK", "20261127T120000123456Z"),
    ],
)
def test_ids_that_tell_their_time_and_words_with_numbers_are_no_secrets(text: str) -> None:
    assert not looks_secret(text)
    assert not holds_secret(f"/items/{text}?page=2")


def test_ordinary_requests_keep_their_fields_beside_a_dropped_one(tmp_path: Path) -> None:
    body = {
        "sku": "lamp",
        "quantity": 2,
        "token": "hunter",
        "tags": ["a", EMAIL],
        "hasPassword": True,
    }
    run(
        tmp_path,
        entry(
            "POST",
            "/carts/7?page=2&sig=abc&sort=up",
            post=as_json(body),
            headers={"Authorization": f"Bearer {JWT}"},
        ),
        entry("POST", "/login", post=as_json({"user": "ann", "password": "hunter"})),
    )
    templates = read_templates(tmp_path / "shop.requests.yaml", has_world=False)
    cart, login = templates.requests["post_carts_id"], templates.requests["post_login"]
    assert cart.url_path == "/carts/7?page=2&sort=up"
    assert cart.body == {"sku": "lamp", "quantity": 2, "tags": ["a"], "hasPassword": True}
    assert cart.headers == {"Authorization": "Bearer ${secret.token}"}
    assert login.body == {"user": "${secret.user}", "password": "${secret.password}"}
    assert {name: secret.env for name, secret in templates.secrets.items()} == {
        "token": "RECORDED_TOKEN",
        "user": "RECORDED_USER",
        "password": "RECORDED_PASSWORD",
    }
