"""Every route and error of the HTTP API: as written down here, and the same in the real server and in ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.toxiproxy_servers import HOST, answer, running

pytestmark = pytest.mark.services

UP = "127.0.0.1:9"
LATENCY = {"latency": 0, "jitter": 0}


@pytest.fixture(scope="module", params=["embedded", "real"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The API's port."""
    with running(request.param) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture(autouse=True)
def _clean(port: int) -> Iterator[None]:
    yield
    for name in json.loads(answer(port, "GET", "/proxies")[2]):
        answer(port, "DELETE", f"/proxies/{name}")


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and body, with JSON parsed and ephemeral ports as PORT."""
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    status, headers, content = answer(port, method, path, text)
    if status != 405 and not (status == 404 and content.startswith(b"404")):
        assert headers["x-toxiproxy-request-id"]
    return status, readable(content)


def readable(content: bytes) -> Any:
    """JSON where it is JSON."""
    text = re.sub(r'"listen":"127\.0\.0\.1:[0-9]+"', '"listen":"127.0.0.1:PORT"', content.decode())
    try:
        return json.loads(text)
    except ValueError:
        return text


def error(message: str, status: int) -> tuple[int, Any]:
    return status, {"error": message, "status": status}


def proxy(
    name: str, *, toxics: tuple[Any, ...] = (), enabled: bool = True, **other: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "listen": f"{HOST}:PORT",
        "upstream": UP,
        "enabled": enabled,
        "Logger": {},
        "toxics": list(toxics),
        **other,
    }


def make(port: int, name: str = "p", **other: Any) -> tuple[int, Any]:
    return ask(
        port, "POST", "/proxies", {"name": name, "listen": f"{HOST}:0", "upstream": UP, **other}
    )


def test_proxies_are_made_shown_and_removed(port: int) -> None:
    assert ask(port, "GET", "/proxies") == (200, {})
    assert make(port) == (201, proxy("p"))
    assert make(port, "off", enabled=False, listen="nowhere:nothing") == (
        201,
        proxy("off", enabled=False, listen="nowhere:nothing"),
    )
    off = proxy("off", enabled=False, listen="nowhere:nothing")
    assert ask(port, "GET", "/proxies") == (200, {"p": proxy("p"), "off": off})
    assert ask(port, "GET", "/proxies/p") == (200, proxy("p"))
    assert ask(port, "DELETE", "/proxies/p") == (204, "")
    assert ask(port, "DELETE", "/proxies/p") == error("proxy not found", 404)
    assert ask(port, "GET", "/proxies/p") == error("proxy not found", 404)


def test_names_of_fields_match_in_any_case_and_strangers_are_ignored(port: int) -> None:
    body = (
        '{"NAME":"p","Upstream":"127.0.0.1:9","listen":"127.0.0.1:0","toxics":[1],"x":{}} and more'
    )
    assert ask(port, "POST", "/proxies", body) == (201, proxy("p"))


def test_a_name_with_signs_is_escaped_as_go_does(port: int) -> None:
    make(port, "<a&b>")
    assert b'"\\u003ca\\u0026b\\u003e"' in answer(port, "GET", "/proxies")[2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("null", "missing required field: name"),
        ('{"name":"a"}', "missing required field: upstream"),
        ('{"name":"","upstream":"b"}', "missing required field: name"),
        ("", "bad request body: EOF"),
        ("{", "bad request body: unexpected EOF"),
        ('{"name":"a', "bad request body: unexpected EOF"),
        (
            "[]",
            "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy",
        ),
        (
            '{"name":1}',
            "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string",
        ),
        (
            '{"name":"a","enabled":"x"}',
            "bad request body: json: cannot unmarshal string into Go struct field Proxy.enabled of type bool",
        ),
    ],
)
def test_a_bad_proxy_is_refused(port: int, body: str, message: str) -> None:
    assert ask(port, "POST", "/proxies", body) == error(message, 400)


def test_a_syntax_error_is_a_bad_request(port: int) -> None:
    for body in ("nonsense", '{"name":"a",}', '{"name":"a" "b"}'):
        status, said = ask(port, "POST", "/proxies", body)
        assert (status, said["status"]) == (400, 400)
        assert said["error"].startswith("bad request body: invalid character ")


def test_a_name_is_taken_once(port: int) -> None:
    make(port)
    assert make(port) == error("proxy already exists", 409)


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("127.0.0.1:99999", "listen tcp: address 99999: invalid port"),
        ("nonsense", "listen tcp: address nonsense: missing port in address"),
        ("::1:0", "listen tcp: address ::1:0: too many colons in address"),
        ("127.0.0.1:abcx", "listen tcp: lookup tcp/abcx: unknown port"),
    ],
)
def test_a_proxy_that_cannot_listen_is_not_made(port: int, listen: str, message: str) -> None:
    assert make(port, listen=listen) == error(message, 500)
    assert ask(port, "GET", "/proxies") == (200, {})


def test_a_port_in_use_is_said(port: int) -> None:
    message = f"listen tcp 127.0.0.1:{port}: bind: address already in use"
    assert make(port, listen=f"{HOST}:{port}") == error(message, 500)


def test_listen_left_out_means_an_ephemeral_port_everywhere(port: int) -> None:
    status, made = ask(port, "POST", "/proxies", {"name": "p", "upstream": UP})
    assert status == 201
    assert re.fullmatch(r"\[::\]:[1-9][0-9]*", made["listen"])
    assert ask(port, "PATCH", "/proxies/p", {"listen": made["listen"]}) == (200, made)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_proxy_is_changed(port: int, method: str) -> None:
    make(port)
    before = json.loads(answer(port, "GET", "/proxies/p")[2])["listen"]
    changed = proxy("p", upstream="127.0.0.1:10")
    assert ask(port, method, "/proxies/p", {"name": "q", "upstream": "127.0.0.1:10"}) == (
        200,
        changed,
    )
    assert json.loads(answer(port, "GET", "/proxies/p")[2])["listen"] == before
    off = proxy("p", upstream="127.0.0.1:10", enabled=False)
    assert ask(port, method, "/proxies/p", {"enabled": False}) == (200, off)
    assert ask(port, method, "/proxies/p", {"enabled": None}) == (200, off)
    assert ask(port, method, "/proxies/p", {"enabled": True}) == (200, changed)
    assert ask(port, method, "/proxies/zz", "{") == error("proxy not found", 404)
    assert ask(port, method, "/proxies/p", "") == error("bad request body: EOF", 400)
    message = "address bad: missing port in address"
    assert ask(port, method, "/proxies/p", {"listen": "bad"}) == error(message, 500)


def test_a_move_to_a_port_in_use_leaves_the_proxy_stopped(port: int) -> None:
    make(port)
    listen = f"{HOST}:{port}"
    message = f"listen tcp {listen}: bind: address already in use"
    assert ask(port, "PATCH", "/proxies/p", {"listen": listen}) == error(message, 500)
    assert not ask(port, "GET", "/proxies/p")[1]["enabled"]
    assert ask(port, "PATCH", "/proxies/p", {"listen": f"{HOST}:0", "enabled": True}) == (
        200,
        proxy("p"),
    )


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", LATENCY),
        ("bandwidth", {"rate": 0}),
        ("slow_close", {"delay": 0}),
        ("timeout", {"timeout": 0}),
        ("reset_peer", {"timeout": 0}),
        ("slicer", {"average_size": 0, "size_variation": 0, "delay": 0}),
        ("limit_data", {"bytes": 0}),
        ("noop", {}),
    ],
)
def test_a_toxic_has_defaults(port: int, kind: str, attributes: dict[str, int]) -> None:
    make(port)
    toxic = {
        "attributes": attributes,
        "name": f"{kind}_downstream",
        "type": kind,
        "stream": "downstream",
        "toxicity": 1,
    }
    assert ask(port, "POST", "/proxies/p/toxics", {"type": kind}) == (200, toxic)
    assert ask(port, "GET", f"/proxies/p/toxics/{kind}_downstream") == (200, toxic)
    assert ask(port, "GET", "/proxies/p") == (200, proxy("p", toxics=(toxic,)))


def test_toxics_are_listed_upstream_first_and_named_once(port: int) -> None:
    make(port)
    for name, stream in (
        ("a", "downstream"),
        ("b", "upstream"),
        ("c", "downstream"),
        ("d", "UPSTREAM"),
    ):
        given = {"name": name, "type": "noop", "stream": stream, "toxicity": 7.25}
        assert ask(port, "POST", "/proxies/p/toxics", given) == (200, {"attributes": {}, **given})
    assert [t["name"] for t in ask(port, "GET", "/proxies/p/toxics")[1]] == ["b", "d", "a", "c"]
    taken = {"name": "a", "type": "latency", "stream": "upstream"}
    assert ask(port, "POST", "/proxies/p/toxics", taken) == error("toxic already exists", 409)


STREAM = "stream was invalid, can be either upstream or downstream"
FIELD = "bad request body: json: cannot unmarshal {} into Go struct field {} of type {}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "invalid toxic type"),
        ("null", "invalid toxic type"),
        ('{"type":"down"}', "invalid toxic type"),
        ('{"type":"latency","stream":"sideways"}', STREAM),
        ('{"type":"latency","stream":""}', STREAM),
        ("", "bad request body: EOF"),
        (
            "5",
            "bad request body: json: cannot unmarshal number into Go value of type toxics.ToxicWrapper",
        ),
        ('{"type":5}', FIELD.format("number", "ToxicWrapper.type", "string")),
        (
            '{"type":"latency","toxicity":"1"}',
            FIELD.format("string", "ToxicWrapper.toxicity", "float32"),
        ),
        (
            '{"type":"latency","attributes":[]}',
            FIELD.format("array", "ToxicWrapper.attributes", "toxics.NoopToxic"),
        ),
        (
            '{"type":"latency","attributes":{"latency":1.5}}',
            FIELD.format("number 1.5", "LatencyToxic.attributes.latency", "int64"),
        ),
        (
            '{"type":"latency","attributes":{"latency":1e3}}',
            FIELD.format("number 1e3", "LatencyToxic.attributes.latency", "int64"),
        ),
        (
            '{"type":"latency","attributes":{"latency":99999999999999999999}}',
            FIELD.format("number 99999999999999999999", "LatencyToxic.attributes.latency", "int64"),
        ),
        (
            '{"type":"limit_data","attributes":{"bytes":"5"}}',
            FIELD.format("string", "LimitDataToxic.attributes.bytes", "int64"),
        ),
        (
            '{"type":"reset_peer","attributes":{"timeout":true}}',
            FIELD.format("bool", "ResetToxic.attributes.timeout", "int64"),
        ),
    ],
)
def test_a_bad_toxic_is_refused(port: int, body: str, message: str) -> None:
    make(port)
    assert ask(port, "POST", "/proxies/p/toxics", body) == error(message, 400)
    assert ask(port, "GET", "/proxies/p/toxics") == (200, [])


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_toxic_changes_in_attributes_and_toxicity_only(port: int, method: str) -> None:
    make(port)
    given = {"name": "a", "type": "latency", "attributes": {"latency": 1, "jitter": 2}}
    ask(port, "POST", "/proxies/p/toxics", given)
    path = "/proxies/p/toxics/a"
    changed = {
        "attributes": {"latency": 7, "jitter": 2},
        "name": "a",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 0.3,
    }
    body = {
        "attributes": {"latency": 7},
        "toxicity": 0.3,
        "name": "n",
        "stream": "upstream",
        "type": "noop",
    }
    assert ask(port, method, path, body) == (200, changed)
    assert ask(port, method, path, {"attributes": None, "toxicity": None}) == (200, changed)
    changed["toxicity"] = 0.33333334  # 32 bits
    assert ask(port, method, path, '{"toxicity":0.333333333333}') == (200, changed)
    message = FIELD.format("string", "LatencyToxic.attributes.latency", "int64")
    assert ask(port, method, path, {"attributes": {"latency": "x"}}) == error(message, 400)
    message = FIELD.format("array", ".attributes", "toxics.LatencyToxic")
    assert ask(port, method, path, {"attributes": []}) == error(message, 400)
    message = FIELD.format("number 1e60", ".toxicity", "float32")
    assert ask(port, method, path, '{"toxicity":1e60}') == error(message, 400)
    assert ask(port, "GET", path) == (200, changed)


def test_what_is_not_there_is_not_found(port: int) -> None:
    make(port)
    for method in ("GET", "POST", "PATCH", "DELETE"):
        body = "{" if method in {"POST", "PATCH"} else None
        assert ask(port, method, "/proxies/p/toxics/zz", body) == error("toxic not found", 404)
        assert ask(port, method, "/proxies/zz/toxics/zz", body) == error("proxy not found", 404)
    for method in ("GET", "POST"):
        assert ask(port, method, "/proxies/zz/toxics", "{") == error("proxy not found", 404)


def test_a_toxic_is_removed_once(port: int) -> None:
    make(port)
    ask(port, "POST", "/proxies/p/toxics", {"type": "latency"})
    assert ask(port, "DELETE", "/proxies/p/toxics/latency_downstream") == (204, "")
    gone = error("toxic not found", 404)
    assert ask(port, "DELETE", "/proxies/p/toxics/latency_downstream") == gone


def test_populate_makes_keeps_and_replaces(port: int) -> None:
    wanted = [{"name": n, "listen": f"{HOST}:0", "upstream": UP} for n in ("a", "b")]
    assert ask(port, "POST", "/populate", wanted) == (201, {"proxies": [proxy("a"), proxy("b")]})
    ask(port, "POST", "/proxies/a/toxics", {"type": "noop"})
    listen = json.loads(answer(port, "GET", "/proxies/a")[2])["listen"]
    same = [{"name": "a", "listen": listen, "upstream": UP, "enabled": False}]
    _, kept = ask(port, "POST", "/populate", same)
    assert kept["proxies"][0]["enabled"]
    assert len(kept["proxies"][0]["toxics"]) == 1
    other = [{"name": "a", "listen": listen, "upstream": "127.0.0.1:10"}]
    assert ask(port, "POST", "/populate", other) == (
        201,
        {"proxies": [proxy("a", upstream="127.0.0.1:10")]},
    )
    assert ask(port, "POST", "/populate", []) == (201, {"proxies": None})
    assert ask(port, "POST", "/populate", "null") == (201, {"proxies": None})


LISTED = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "bad request body: EOF"),
        (
            '[{"name":"a","upstream":"u"},{"upstream":"u"}]',
            "missing required field: name at proxy 2",
        ),
        ('[{"name":"a"}]', "missing required field: upstream at proxy 1"),
        ("[null]", "missing required field: name at proxy 1"),
        ("{}", f"bad request body: json: cannot unmarshal object into Go value of type []{LISTED}"),
        ("[1]", f"bad request body: json: cannot unmarshal number into Go value of type {LISTED}"),
        ('[{"name":1}]', FIELD.format("number", ".Proxy.name", "string")),
        ('[{"enabled":"q"}]', FIELD.format("string", ".enabled", "bool")),
    ],
)
def test_a_bad_list_creates_nothing(port: int, body: str, message: str) -> None:
    assert ask(port, "POST", "/populate", body) == (
        400,
        {"error": message, "status": 400, "proxies": None},
    )
    assert ask(port, "GET", "/proxies") == (200, {})
    assert answer(port, "POST", "/populate", body)[1]["content-type"] == "application/json"


def test_a_list_that_fails_half_way_says_what_was_made(port: int) -> None:
    wanted = [
        {"name": "a", "listen": f"{HOST}:0", "upstream": UP},
        {"name": "b", "listen": f"{HOST}:{port}", "upstream": UP},
    ]
    message = f"listen tcp 127.0.0.1:{port}: bind: address already in use"
    assert ask(port, "POST", "/populate", wanted) == (
        500,
        {"error": message, "status": 500, "proxies": [proxy("a")]},
    )
    assert ask(port, "GET", "/proxies") == (200, {"a": proxy("a")})


def test_reset_enables_and_clears(port: int) -> None:
    make(port, enabled=False)
    ask(port, "POST", "/proxies/p/toxics", {"type": "noop"})
    assert ask(port, "POST", "/reset") == (204, "")
    assert ask(port, "GET", "/proxies/p") == (200, proxy("p"))


def test_reset_says_what_cannot_be_enabled(port: int) -> None:
    make(port, enabled=False, listen="nonsense")
    message = "listen tcp: address nonsense: missing port in address"
    assert ask(port, "POST", "/reset") == error(message, 500)


def test_the_version_is_told(port: int) -> None:
    status, headers, body = answer(port, "GET", "/version?x=1")
    assert (status, headers["content-type"].replace(" ", "")) == (
        200,
        "application/json;charset=utf-8",
    )
    assert re.fullmatch(rb'\{"version": "(2\.[0-9.]+|git)"\}\n', body)


ROUTES = {
    "/proxies": {"GET", "POST"},
    "/proxies/zz": {"GET", "POST", "PATCH", "DELETE"},
    "/proxies/zz/toxics": {"GET", "POST"},
    "/proxies/zz/toxics/t": {"GET", "POST", "PATCH", "DELETE"},
    "/populate": {"POST"},
    "/reset": {"POST"},
    "/version": {"GET"},
}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"])
def test_other_methods_and_paths_are_refused(port: int, method: str) -> None:
    for path, methods in ROUTES.items():
        status, headers, body = answer(port, method, path)
        if method in methods:
            assert status != 405
            assert len(headers["x-toxiproxy-request-id"]) == 20
        else:
            assert (status, body) == (405, b"")
    for path in ("/", "/nope", "/metrics", "/proxies/", "/proxies/p/", "/proxies/p/toxics/"):
        status, headers, body = answer(port, method, path)
        assert (status, body) == (404, b"" if method == "HEAD" else b"404 page not found\n")
        assert headers["content-type"] == "text/plain; charset=utf-8"


def test_browsers_are_turned_away(port: int) -> None:
    agent = "Mozilla/5.0"
    assert answer(port, "GET", "/version", agent=agent)[::2] == (403, b"User agent not allowed\n")
    assert answer(port, "GET", "/nope", agent=agent)[0] == 404
    assert answer(port, "PUT", "/version", agent=agent)[0] == 405


def test_errors_are_text_with_a_newline(port: int) -> None:
    status, headers, body = answer(port, "GET", "/proxies/zz")
    assert (status, body) == (404, b'{"error":"proxy not found","status":404}\n')
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"


def test_bodies_are_compact_and_in_the_same_order(port: int) -> None:
    make(port)
    ask(port, "POST", "/proxies/p/toxics", {"type": "latency", "toxicity": 0.1})
    body = answer(port, "GET", "/proxies/p")[2]
    body = re.sub(rb"127\.0\.0\.1:[0-9]+", b"HERE", body, count=1)
    assert body == (
        b'{"name":"p","listen":"HERE","upstream":"127.0.0.1:9","enabled":true,"Logger":{},"toxics":'
        b'[{"attributes":{"latency":0,"jitter":0},"name":"latency_downstream","type":"latency",'
        b'"stream":"downstream","toxicity":0.1}]}'
    )
