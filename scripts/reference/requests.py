"""requests.md: the keys of a file of requests."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.plan.service import SECRET
from flashdrill.plan.steps import THINK
from flashdrill.plan.templates import FEED, HISTORY, REQUEST, RETRY, SEQUENCE, SIGN, TEMPLATES
from scripts.reference.keys import Keys, section

SECTIONS: dict[str, Keys] = {
    "keys of a file of requests": Keys(
        TEMPLATES,
        {
            "secrets": "secrets: {token: {env: SHOP_TOKEN}}",
            "feeds": "",
            "requests": "",
            "journeys": "journeys: {buyer: [look, {think: 1s..3s}, buy]}",
        },
    ),
    "a feed": Keys(
        FEED,
        {
            "csv": "csv: people.csv",
            "order": "order: once",
            "numbers": "numbers: [age]",
            "sequence": "sequence: {from: 1000}",
        },
    ),
    "a sequence": Keys(SEQUENCE, {"from": "from: 1000", "step": "step: 10"}),
    "a request": Keys(
        REQUEST,
        {
            "method": "method: PUT",
            "path": 'path: "/buy/${product.sku}?fast=1"',
            "headers": 'headers: {X-Request-Id: "${uuid}"}',
            "json": 'json: {user: "${user}", quantity: "${random:1..3}"}',
            "form": 'form: {user: "${user}", quantity: "${random:1..3}"}',
            "body": 'body: "<user>${user}</user>"',
            "sign": "",
            "ok": "ok: {201: placed, 202: queued}",
            "refused": "refused: {409: sold_out}",
            "definite": "definite: [400, 422]",
            "retry": "retry: {attempts: 3}",
            "capture": "capture: {order_id: /order/id}",
            "history": "",
        },
    ),
    "a signature": Keys(
        SIGN,
        {
            "algorithm": "algorithm: hmac-sha512",
            "header": "header: X-Signature",
            "of": 'of: "${timestamp}.${body}"',
            "secret": "secret: {env: SHOP_SECRET}",
            "encoding": "encoding: base64",
            "prefix": 'prefix: "sha256="',
            "timestamp": "timestamp: X-Timestamp",
        },
    ),
    "a secret": Keys(SECRET, {"env": "env: SHOP_TOKEN", "file": "file: /run/secrets/shop_token"}),
    "a retry": Keys(RETRY, {"attempts": "attempts: 3"}),
    "a history entry": Keys(
        HISTORY,
        {
            "kind": "kind: place_order",
            "key": 'key: "${uuid}"',
            "order_id": 'order_id: "${order_id}"',
            "user_id": 'user_id: "${user}"',
            "sku": 'sku: "${product.sku}"',
            "quantity": 'quantity: "${random:1..3}"',
            "amount_cents": "amount_cents: 1999",
            "price_cents": 'price_cents: "${product.price_cents}"',
            "transaction_id": 'transaction_id: "${uuid}"',
        },
    ),
    "a pause": Keys(THINK, {"think": "think: 1s..3s"}),
}


def lines() -> Iterator[str]:
    """The page."""
    yield "# Requests"
    yield ""
    yield (
        "What customers ask of a service, without Python: a scenario's `requests: FILE.yaml`. "
        "[Requests](../requests.md) explains it with an example; `flashdrill validate FILE` checks it, "
        "`flashdrill schema requests` prints its JSON Schema."
    )
    yield ""
    for noun, keys in SECTIONS.items():
        yield from section(noun, keys)
