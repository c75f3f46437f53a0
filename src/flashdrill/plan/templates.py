"""A file of requests: what customers ask of a service, without a line of Python.

requests:
  buy: {path: "/buy/${product.sku}", json: {user: "${user}"}, ok: [201], refused: [409]}
journeys:
  buyer: [look, {think: 1s..3s}, buy]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flashdrill.load.importing.secret_names import suggests_secret
from flashdrill.load.templates.placeholders import Placeholder, pieces
from flashdrill.load.templates.request import NUMBERS, TEXTS
from flashdrill.load.templates.signing import ALGORITHMS, ENCODINGS
from flashdrill.model.service import Secret
from flashdrill.model.templates import ORDERS, Feed, RequestTemplate, Sign, Step, Templates
from flashdrill.plan.names import check_names
from flashdrill.plan.service import SECRET, build_secret
from flashdrill.plan.shapes import NAME, FilePath, Free, Listing, Mapped, Number, Text
from flashdrill.plan.source import did_you_mean, read_source
from flashdrill.plan.statuses import Statuses
from flashdrill.plan.steps import StepShape
from flashdrill.plan.table import Entry, Field, Table
from flashdrill.plan.written import Written

WORD = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
_WORD_HINT = "a letter or _, then letters, digits and _"
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_HOST = "Host"
"""As the wire knows it."""
_NO_SECRETS = frozenset({"", "0", "1", "no", "yes", "false", "true", "none"})
"""What is none, whatever it is called: `X-Mobile: true`."""

_BODIES = ("json", "form", "body")
_KINDS = {"json": "json", "form": "form", "body": "text"}
_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"


def _one_of(*choices: str) -> Text:
    pattern = "|".join(re.escape(choice) for choice in choices)
    return Text(f"^({pattern})$", " or ".join(choices))


SEQUENCE = Table(
    "a sequence",
    {
        "from": Field(Number(-(10**12), 10**12), "the first number", default=1),
        "step": Field(Number(-(10**6), 10**6), "from each to the next", default=1),
    },
)
FEED = Table(
    "a feed",
    {
        "csv": Field(FilePath(), "a CSV file whose first line names the columns"),
        "order": Field(
            _one_of(*ORDERS),
            "customers take the rows in turn and again from the top, by chance, or each row once",
            default=ORDERS[0],
        ),
        "numbers": Field(Listing(Text()), "its columns that hold whole numbers", default=()),
        "sequence": Field(SEQUENCE, "numbers instead of rows, another one for each customer"),
    },
)
SIGN = Table(
    "a signature",
    {
        "algorithm": Field(_one_of(*ALGORITHMS), "of the HMAC", default="hmac-sha256"),
        "header": Field(Text(_HEADER, "a header's name"), "what carries it", is_required=True),
        "of": Field(
            Text(),
            "what is signed: `body`, or a text with ${body}, ${timestamp}, ${method}, ${path}",
            default="body",
        ),
        "secret": Field(SECRET, "the key, by its place", is_required=True),
        "encoding": Field(_one_of(*ENCODINGS), "how the HMAC is written", default="hex"),
        "prefix": Field(Text(), "put before it, such as sha256=", default=""),
        "timestamp": Field(
            Text(_HEADER, "a header's name"), "the header that carries ${timestamp}", default=""
        ),
    },
)
RETRY = Table(
    "a retry",
    {"attempts": Field(Number(1, 20), "how often it is sent at most", is_required=True)},
)
HISTORY = Table(
    "a history entry",
    {
        "kind": Field(
            Text(NAME, "a name"), "what gates and checkers call it; without it the request's name"
        ),
        "key": Field(Text(), "what makes repetitions one order, such as an idempotency key"),
        "order_id": Field(Text(), "the order's id; a captured order_id is it anyway"),
        "user_id": Field(Text(), "whose it is"),
        "sku": Field(Text(), "the product"),
        "quantity": Field(Written(), "how many: a whole number"),
        "amount_cents": Field(Written(), "what all of it costs"),
        "price_cents": Field(Written(), "what one costs, in the place of `amount_cents`"),
        "transaction_id": Field(Text(), "of a payment"),
    },
)
REQUEST = Table(
    "a request",
    {
        "method": Field(_one_of(*_METHODS.split("|")), "GET, or with a body POST"),
        "path": Field(
            Text(r"^/[^\s\x00-\x1f\x7f]*$", "a path such as /buy/${product.sku}"),
            "with its query; what is filled in is percent-encoded",
            is_required=True,
        ),
        "headers": Field(Mapped(Written(), _HEADER, "a header's name"), "of its own", default={}),
        "json": Field(Free(), "the body, sent as JSON"),
        "form": Field(Mapped(Written()), "the body, sent as a form"),
        "body": Field(Text(), "the body, as a text"),
        "sign": Field(SIGN, "a header that proves who sent it"),
        "ok": Field(
            Statuses(), "statuses that acknowledge it", default={200: "http_200", 201: "http_201"}
        ),
        "refused": Field(Statuses(), "statuses that refuse it: no error", default={}),
        "definite": Field(Statuses(), "statuses after which it has not happened", default={}),
        "retry": Field(RETRY, "without it, it is sent once"),
        "capture": Field(
            Mapped(
                Text(r"^(/([^/~]|~[01])*)+$", "a JSON pointer such as /order/id"), WORD, _WORD_HINT
            ),
            "name → where its value is in the answer",
            default={},
        ),
        "history": Field(HISTORY, "what the checkers need to know"),
    },
)
TEMPLATES = Table(
    "a file of requests",
    {
        "secrets": Field(
            Mapped(SECRET, WORD, _WORD_HINT), "name → where it is: ${secret.NAME}", default={}
        ),
        "feeds": Field(Mapped(FEED, WORD, _WORD_HINT), "what fills the requests", default={}),
        "requests": Field(Mapped(REQUEST, NAME, "a name"), "by name", is_required=True),
        "journeys": Field(
            Mapped(Listing(StepShape(), least=1), NAME, "a name"),
            "name → requests and times to think; a request by itself is a journey too",
            default={},
        ),
    },
)


def templates_schema() -> dict[str, Any]:
    """JSON Schema of a file of requests."""
    return TEMPLATES.schema()


def read_templates(path: Path, *, has_world: bool = True) -> Templates:
    """The requests in a file. Raises ConfigError with the line, also for a placeholder that nothing fills."""
    entry = TEMPLATES.read(read_source(path))
    requests = {name: _request(name, line) for name, line in entry["requests"].items()}
    if not requests:
        raise entry.at("requests").fail("there are no requests")
    feeds = {name: _feed(line) for name, line in entry["feeds"].items()}
    journeys = dict(_journeys(entry, requests))
    secrets = {name: _secret(line) for name, line in entry["secrets"].items()}
    templates = Templates(
        path=path,
        requests=requests,
        journeys=journeys,
        feeds=feeds,
        secrets=secrets,
    )
    return check_names(entry, templates, has_world=has_world)


def _feed(entry: Entry) -> Feed:
    line = entry.node.line
    if (entry["csv"] is None) == (entry["sequence"] is None):
        raise entry.node.fail("a feed has either `csv` or `sequence`", remedy="leave out the other")
    if entry["csv"] is not None:
        return Feed(entry["csv"].resolve(), entry["order"], entry["numbers"], line=line)
    for key in ("order", "numbers"):
        if entry.at(key) is not entry.node:
            raise entry.at(key).fail("goes with `csv`")
    sequence = entry["sequence"]
    if not sequence["step"]:
        raise sequence.at("step").fail("with a step of 0 every customer has the same number")
    return Feed(start=sequence["from"], step=sequence["step"], line=line)


def _request(name: str, entry: Entry) -> RequestTemplate:
    bodies = [key for key in _BODIES if entry.at(key) is not entry.node]
    if len(bodies) > 1:
        raise entry.at(bodies[1]).fail(f"a request has one of {', '.join(_BODIES)}")
    _check_statuses(entry)
    _check_secret_headers(entry)
    _check_headers(entry)
    return RequestTemplate(
        name=name,
        method=entry["method"] or ("POST" if bodies else "GET"),
        url_path=entry["path"],
        headers={_HOST if n.lower() == "host" else n: v for n, v in entry["headers"].items()},
        body_kind=_KINDS[bodies[0]] if bodies else "",
        body=entry[bodies[0]] if bodies else None,
        sign=_sign(entry["sign"]),
        ok=entry["ok"],
        refused=entry["refused"],
        definite=entry["definite"],
        attempts=entry["retry"]["attempts"] if entry["retry"] else 1,
        capture=entry["capture"],
        history=_history(entry["history"]),
        line=entry.node.line,
    )


def _check_statuses(entry: Entry) -> None:
    """Raise ConfigError for a status that means two things, or for a request that nothing acknowledges."""
    if not entry["ok"]:
        raise entry.at("ok").fail("no status acknowledges it", remedy="such as ok: [200]")
    seen: dict[int, str] = {}
    for key in ("ok", "refused", "definite"):
        for status in entry[key]:
            if status in seen:
                node = entry.at(key) if entry.at(key) is not entry.node else entry.at(seen[status])
                raise node.fail(f"{status} is in `{seen[status]}` and in `{key}`")
            seen[status] = key


def _check_secret_headers(entry: Entry) -> None:
    headers: Mapping[str, str] = entry["headers"]
    for name, value in headers.items():
        if suggests_secret(name) and _is_written_out(value):
            raise entry.at("headers").fail(
                f"{name} is written out, and would be in the records of every run",
                key=name,
                remedy="secrets: {token: {env: SHOP_TOKEN}}, and here ${secret.token}",
            )


def _check_headers(entry: Entry) -> None:
    """Raise ConfigError for headers that are the client's, for one that is there twice, and for line breaks."""
    seen = set()
    for name, value in entry["headers"].items():
        low = name.lower()
        if low in _OURS:
            raise entry.at("headers").fail(f"{name} is set by flashdrill itself", key=name)
        if low in seen:
            raise entry.at("headers").fail(f"{name} is there twice", key=name)
        if not {"\r", "\n", "\0"}.isdisjoint(value):
            raise entry.at("headers").fail(f"a line break in {name}", key=name)
        seen.add(low)


def _is_written_out(value: str) -> bool:
    """Whether it holds something, and it is always the same."""
    try:
        is_fixed = not any(isinstance(piece, Placeholder) for piece in pieces(value))
    except ValueError:
        return False  # it is told with its line, when names are looked at
    return is_fixed and value.strip().lower() not in _NO_SECRETS


def _sign(entry: Entry | None) -> Sign | None:
    if entry is None:
        return None
    return Sign(
        algorithm=entry["algorithm"],
        header=entry["header"],
        of=entry["of"],
        secret=_secret(entry["secret"]),
        encoding=entry["encoding"],
        prefix=entry["prefix"],
        timestamp_header=entry["timestamp"],
    )


def _secret(entry: Entry) -> Secret:
    """Its place, for a load process that may have another current directory."""
    secret = build_secret(entry)
    assert secret is not None
    return secret if secret.file is None else Secret(file=secret.file.resolve())


def _history(entry: Entry | None) -> dict[str, str]:
    if entry is None:
        return {}
    if entry["amount_cents"] is not None and entry["price_cents"] is not None:
        raise entry.at("price_cents").fail("`amount_cents` says what all of it costs already")
    known = ("kind", *TEXTS, *NUMBERS)
    return {key: entry[key] for key in known if entry[key] is not None}


def _journeys(
    entry: Entry, requests: Mapping[str, RequestTemplate]
) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The journeys as they are written, each of requests that are there."""
    for name, steps in entry["journeys"].items():
        nodes = entry.at("journeys").content
        assert isinstance(nodes, dict)
        places = nodes[name].content
        assert isinstance(places, list)
        for step, node in zip(steps, places, strict=True):
            if step.request and step.request not in requests:
                raise node.fail(
                    f"no request {step.request!r}{did_you_mean(step.request, requests)}",
                    remedy=f"there are {', '.join(requests)}",
                )
        if not steps[0].request:
            raise places[0].fail(
                "a journey begins with a request: when it is due is what the arrivals say"
            )
        yield name, steps
