"""Request templates filled in: values, bodies, signatures, and the same for a seed however many workers share it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.dice import dice
from flashdrill.load.exchange import Reply, Request
from flashdrill.load.operations import Operations
from flashdrill.load.schedule import arrivals
from flashdrill.load.session import Market, Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.load.templates.journeys import journeys
from flashdrill.load.templates.pointer import MISSING, pointer
from flashdrill.load.templates.signing import Signer
from flashdrill.model.op import Op, Outcome
from flashdrill.model.scenario import Arrivals, Product, Ramp, Stage, World
from flashdrill.model.service import Secret
from flashdrill.model.templates import Sign, Templates
from flashdrill.plan.templates import read_templates

SEED = 7
WORLD = World(100, (Product("a lamp/ä", 1250, 1, 1),))
Answer = Callable[[Request], Reply]


def fine(_request: Request) -> Reply:
    return Reply(0, 1, status=200, body=b'{"order": {"id": 7}}')


class Wire:
    """Keeps what is sent, and answers."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[Request] = []
        self.ops: list[Op] = []
        self._answer = answer

    def send(self, via: str, request: Request, *, timeout_s: float) -> Reply:
        self.requests.append(request)
        return self._answer(request)

    def sent(self, lateness_ns: int) -> None:
        """Nothing to count."""

    def ended(self, op: Op) -> None:
        self.ops.append(op)


def written(folder: Path, text: str) -> Templates:
    (folder / "people.csv").write_text("id,age\nann,30\nbob,41\ncyd,52\n")
    path = folder / "shop.yaml"
    path.write_text(text)
    return read_templates(path)


def spec_of(templates: Templates, stages: tuple[Stage, ...]) -> CrowdSpec:
    return CrowdSpec(
        name="t",
        locustfile="",
        base_url="",
        payment_url="",
        hmac_secret="",
        stages=stages,
        world=WORLD,
        seed=SEED,
        ops_path="",
        live_path="",
        start_path="",
        templates=templates,
    )


def play(
    templates: Templates,
    journey: str,
    count: int = 1,
    answer: Answer = fine,
    workers: tuple[int, int] = (0, 1),
    t0_ns: int = 5,
) -> Wire:
    """What the customers of a worker (its number, of how many) send in this journey."""
    stages = (Stage("s", 0, 1, (Arrivals(journey, (Ramp(1, count, count),), is_even=True),)),)
    spec = spec_of(templates, stages)
    ready = journeys(spec)
    wire = Wire(answer)
    operations = Operations(
        wire,
        wire,
        in_flight_max=9,
        request_timeout_s=1,
        max_attempts=3,
        clock_ns=lambda: 0,
        sleep=lambda _s: None,
    )
    market = Market(WORLD, stages, {}, t0_ns)
    worker, of = workers
    for arrival in arrivals(stages, SEED, worker=worker, workers=of):
        session = Session(
            market,
            operations,
            rng=dice(SEED, arrival.index),
            journey=journey,
            due_ns=0,
            sleep_until=lambda _ns: None,
            spawn=lambda act, _name: act(),
            number=arrival.index,
        )
        ready[journey](session)
    return wire


ALL = """\
feeds:
  p: {csv: people.csv, order: random, numbers: [age]}
  n: {sequence: {from: 10, step: 5}}
requests:
  buy:
    path: /buy/${product.sku}?by=${p.id}
    headers: {X-Id: "${uuid}", X-Who: "${p.id} ä", X-Sku: "${product.sku}"}
    json:
      id: ${uuid}
      age: ${p.age}
      text: "n ${n} of ${p.age}, $${n}, \\"quoted\\""
      many: [1, 2.5, null, true, {n: "${n}"}, "${random:1..6}", []]
      price: ${product.price}
      empty: {}
      at: ${now.ms}
    history: {key: "${uuid}", quantity: "${random:1..6}", price_cents: "${product.price_cents}", user_id: "${user}"}
  note: {path: /n, form: {a b: "ü&=${p.id}", n: "${n}"}}
  plain: {path: /t, method: PUT, body: "<n>${n}</n>", headers: {content-type: text/xml}}
  look: {path: "/look?fixed=1"}
"""


def test_everything_that_a_request_can_hold(tmp_path: Path) -> None:
    wire = play(written(tmp_path, ALL), "buy", count=30)
    for number, (request, op) in enumerate(zip(wire.requests, wire.ops, strict=True)):
        sent = json.loads(request.body)
        who = {30: "ann", 41: "bob", 52: "cyd"}[sent["age"]]
        n = 10 + 5 * number
        assert sent["text"] == f'n {n} of {sent["age"]}, ${{n}}, "quoted"'
        assert sent["many"] == [1, 2.5, None, True, {"n": n}, op.quantity, []]
        assert 1 <= op.quantity <= 6
        assert (sent["price"], sent["empty"]) == ("12.50", {})
        assert request.path == f"/buy/a%20lamp%2F%C3%A4?by={who}"
        assert request.method == "POST"
        assert request.headers["X-Who"].encode("latin-1").decode() == f"{who} ä"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["X-Id"] == sent["id"] == op.key
        assert UUID(sent["id"]).version == 4
        assert op.amount_cents == 1250 * op.quantity
        assert op.kind == "buy"
        assert op.user_id.startswith("u")
    assert len({op.key for op in wire.ops}) == len(wire.ops) == 30
    assert len({json.loads(r.body)["age"] for r in wire.requests}) == 3
    assert len({op.quantity for op in wire.ops}) > 2


def test_forms_texts_and_requests_without_a_body(tmp_path: Path) -> None:
    templates = written(tmp_path, ALL)
    (form,) = play(templates, "note").requests[:1]
    assert parse_qs(form.body.decode(), strict_parsing=True)["a b"][0][:3] == "ü&="
    assert form.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    text = play(templates, "plain").requests[0]
    assert (text.method, text.body) == ("PUT", b"<n>10</n>")
    assert text.headers == {"content-type": "text/xml"}
    look = play(templates, "look").requests[0]
    assert (look.method, look.path, look.body, look.headers) == ("GET", "/look?fixed=1", b"", {})


def without_uuid(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.body)
    return {k: v for k, v in document.items() if k not in {"id", "at"}} | {"path": request.path}


def test_the_workers_requests_together_are_those_of_one(tmp_path: Path) -> None:
    templates = written(tmp_path, ALL)
    whole = [without_uuid(r) for r in play(templates, "buy", 60).requests]
    shares = [play(templates, "buy", 60, workers=(n, 3)).requests for n in range(3)]
    apart = [[without_uuid(r) for r in share] for share in shares]
    assert [apart[i % 3][i // 3] for i in range(len(whole))] == whole
    numbers = [{each["many"][4]["n"] for each in share} for share in apart]
    assert sum(map(len, numbers)) == len(set.union(*numbers)) == len(whole)


def test_a_second_run_differs_in_its_uuids_only(tmp_path: Path) -> None:
    templates = written(tmp_path, ALL)
    first, second = (play(templates, "buy", 20, t0_ns=t0) for t0 in (5, 6))
    assert [without_uuid(r) for r in first.requests] == [without_uuid(r) for r in second.requests]
    assert not {op.key for op in first.ops} & {op.key for op in second.ops}


def test_pauses_before_retries_do_not_change_what_comes_next(tmp_path: Path) -> None:
    templates = written(
        tmp_path,
        "requests:\n  a: {path: /a, retry: {attempts: 3}}\n"
        '  b: {path: "/b/${random:1..1000000}"}\njourneys: {ab: [a, b]}\n',
    )

    def ill(request: Request) -> Reply:
        return Reply(0, 1, status=500) if request.path == "/a" else fine(request)

    def second(wire: Wire) -> list[str]:
        return [r.path for r in wire.requests if r.path != "/a"]

    well, sick = play(templates, "ab", 9), play(templates, "ab", 9, ill)
    assert len(sick.requests) > len(well.requests)
    assert second(sick) == second(well)


# ---- feeds ----------------------------------------------------------------------------------------


def test_rows_in_turn_are_those_of_the_arrivals_number(tmp_path: Path) -> None:
    text = 'feeds: {p: {csv: people.csv}}\nrequests: {a: {path: "/${p.id}"}}\n'
    paths = [r.path for r in play(written(tmp_path, text), "a", 9).requests]
    assert paths == [("/ann", "/bob", "/cyd")[i % 3] for i in range(len(paths))]
    assert len(paths) == 9


def test_rows_that_are_used_once_are_never_given_twice_and_their_end_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "many.csv").write_text("id\n" + "".join(f"r{n}\n" for n in range(100)))
    templates = written(
        tmp_path,
        'feeds: {p: {csv: many.csv, order: once}}\nrequests: {a: {path: "/${p.id}"}}\n',
    )
    shares = [[r.path for r in play(templates, "a", 60, workers=(n, 2)).requests] for n in range(2)]
    count = sum(map(len, shares))
    assert sorted(shares[0] + shares[1]) == sorted(f"/r{n}" for n in range(count))
    with pytest.raises(ConfigError, match=r"many\.csv: the feed p has 100 rows: they are used up"):
        play(templates, "a", 300)


# ---- answers --------------------------------------------------------------------------------------

CHAIN = """\
requests:
  buy:
    path: /buy
    method: POST
    ok: {201: placed}
    refused: {409: sold_out}
    definite: [422, 503]
    retry: {attempts: 2}
    capture: {number: /order/id}
    history: {kind: place_order, order_id: "${number}"}
  track: {path: "/orders/${number}"}
  bye: {path: /bye}
journeys: {all: [buy, track], on: [buy, bye]}
"""


@pytest.mark.parametrize(
    ("reply", "outcome", "reason", "attempts"),
    [
        (Reply(0, 1, status=201, body=b'{"order": {"id": 7}}'), Outcome.OK, "placed", 1),
        (Reply(0, 1, status=201, body=b"{}"), Outcome.INFO, "http_201_without_number", 2),
        (
            Reply(0, 1, status=201, body=b'{"order": {"id": null}}'),
            Outcome.INFO,
            "http_201_without_number",
            2,
        ),
        (Reply(0, 1, status=201, body=b"[" * 100_000), Outcome.INFO, "http_201_without_number", 2),
        (Reply(0, 1, status=201, body=b"torn {"), Outcome.INFO, "http_201_without_number", 2),
        (Reply(0, 1, status=200), Outcome.INFO, "http_200", 2),
        (Reply(0, 1, status=409), Outcome.FAIL, "sold_out", 1),
        (Reply(0, 1, status=422), Outcome.FAIL, "http_422", 1),
        (Reply(0, 1, status=503), Outcome.FAIL, "http_503", 2),
        (Reply(0, 1, status=500), Outcome.INFO, "http_500", 2),
        (Reply(0, 1, failure="timeout"), Outcome.INFO, "timeout", 2),
        (Reply(0, 1, failure="connection_refused"), Outcome.FAIL, "connection_refused", 2),
    ],
)
def test_what_an_answer_means(
    tmp_path: Path, reply: Reply, outcome: Outcome, reason: str, attempts: int
) -> None:
    wire = play(written(tmp_path, CHAIN), "all", 1, lambda _request: reply)
    op = wire.ops[0]
    assert (op.outcome, op.reason, len(op.attempts)) == (outcome, reason, attempts)
    assert op.is_refusal == (reply.status == 409)
    assert op.order_id == ("7" if outcome is Outcome.OK else "")
    later = [r.path for r in wire.requests if r.path != "/buy"]
    assert set(later) == ({"/orders/7"} if outcome is Outcome.OK else set())


def test_who_needs_nothing_of_a_failed_request_goes_on(tmp_path: Path) -> None:
    wire = play(written(tmp_path, CHAIN), "on", 1, lambda _request: Reply(0, 1, status=500))
    assert wire.requests[-1].path == "/bye"


def test_a_path_may_be_written_in_any_script_and_a_host_is_called_as_the_wire_knows_it(
    tmp_path: Path,
) -> None:
    text = "requests: {a: {path: '/商品/%E5%95%86?a=[1]&b=é', headers: {host: shop.example}}}\n"
    (request,) = play(written(tmp_path, text), "a").requests
    assert request.path == "/%E5%95%86%E5%93%81/%E5%95%86?a=[1]&b=%C3%A9"
    assert request.headers == {"Host": "shop.example"}


def test_without_retry_a_request_is_sent_once(tmp_path: Path) -> None:
    templates = written(tmp_path, "requests: {a: {path: /a, method: POST}}\n")
    wire = play(templates, "a", 1, lambda _request: Reply(0, 1, failure="timeout"))
    assert len(wire.requests) == len(wire.ops) == 1


def test_a_captured_text_is_no_quantity(tmp_path: Path) -> None:
    text = CHAIN.replace('"/orders/${number}"', '/o, history: {quantity: "${number}"}')
    answer = Reply(0, 1, status=201, body=b'{"order": {"id": "x7"}}')
    with pytest.raises(ConfigError, match=r"track\.history\.quantity is 'x7'"):
        play(written(tmp_path, text), "all", 1, lambda _request: answer)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("/a/0/b", 5),
        ("/a/1", MISSING),
        ("/x", MISSING),
        ("/c~1d", 1),
        ("/e~0f", 2),
        ("/a/b", MISSING),
    ],
)
def test_pointers(place: str, found: object) -> None:
    assert pointer(place)({"a": [{"b": 5}], "c/d": 1, "e~f": 2}) == found


# ---- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message", "digest"),
    [
        ({}, b'{"n":1}', "sha256"),
        ({"algorithm": "hmac-sha512"}, b'{"n":1}', "sha512"),
        ({"algorithm": "hmac-sha1", "of": "${method} ${path}|${body}"}, b'POST /b|{"n":1}', "sha1"),
        ({"of": "${timestamp}.${body}", "timestamp_header": "X-T"}, b'99.{"n":1}', "sha256"),
    ],
)
def test_signatures_are_those_of_an_independent_computation(
    monkeypatch: pytest.MonkeyPatch, change: Mapping[str, str], message: bytes, digest: str
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "key-1")
    settings: dict[str, Any] = {"algorithm": "hmac-sha256", "header": "X-S", "of": "body", **change}
    padded = b"key-1".ljust(hashlib.new(digest).block_size, b"\0")
    inner = hashlib.new(digest, bytes(b ^ 0x36 for b in padded) + message).digest()
    expected = hashlib.new(digest, bytes(b ^ 0x5C for b in padded) + inner).digest()  # RFC 2104
    for encoding, text in (
        ("hex", expected.hex()),
        ("base64", base64.b64encode(expected).decode()),
    ):
        sign = Sign(secret=Secret("SHOP_SECRET"), encoding=encoding, prefix="v1=", **settings)
        made = Signer(sign, clock_s=lambda: 99.7).headers("POST", "/b", b'{"n":1}')
        assert made["X-S"] == f"v1={text}"
        assert made.get("X-T", "99") == "99"


def test_every_attempt_is_signed_over_the_bytes_that_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "key-2")
    templates = written(
        tmp_path,
        'requests:\n  a:\n    path: /a\n    json: {id: "${uuid}"}\n    retry: {attempts: 3}\n'
        "    sign: {header: X-S, secret: {env: SHOP_SECRET}}\n",
    )
    wire = play(templates, "a", 4, lambda _request: Reply(0, 1, status=500))
    assert len(wire.requests) == 3 * len(wire.ops) == 12
    for request in wire.requests:
        assert request.headers["X-S"] == hmac.new(b"key-2", request.body, "sha256").hexdigest()
    assert len({request.body for request in wire.requests}) == len(wire.ops)


def test_a_secret_that_is_not_there_is_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    templates = written(
        tmp_path,
        'secrets: {t: {env: SHOP_SECRET}}\nrequests: {a: {path: /a, headers: {X-T: "${secret.t}"}}}\n',
    )
    with pytest.raises(ConfigError, match=r"\$SHOP_SECRET is not set"):
        play(templates, "a")
    monkeypatch.setenv("SHOP_SECRET", "s")
    assert play(templates, "a", 3).requests[0].headers == {"X-T": "s"}
