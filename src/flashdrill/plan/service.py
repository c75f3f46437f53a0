"""The `service` of a scenario: somebody's own, which runs already, in the place of the reference stack.

service:
  url: http://127.0.0.1:8000
  reads:
    dsn: {env: SHOP_DSN}
    stock: {sql: "select sku, initial, sold from stock"}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from flashdrill.model.service import READS, SETTLE_S, HttpRead, Read, Secret, Service, SqlRead
from flashdrill.plan.shapes import DURATION, NAME, FilePath, Mapped, Text
from flashdrill.plan.source import Node
from flashdrill.plan.table import Entry, Field, Table

_PORT = r"(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
_HOST = r"([A-Za-z0-9_][A-Za-z0-9.\-_]*|\[[0-9A-Fa-f:.]+\])"
_SERVER = rf"[Hh][Tt][Tt][Pp][Ss]?://{_HOST}(:{_PORT})?"


class Address(Text):
    """A text with a server in it, whose scheme is in lower case afterwards."""

    __slots__ = ()

    def read(self, node: Node) -> str:
        """The text."""
        text = Text.read(self, node)
        scheme, mark, rest = text.partition("://")
        try:
            urlsplit(text)
        except ValueError:  # what is in the brackets is no address
            raise node.fail(f"it is not {self.hint}") from None
        return text if text.startswith("/") else f"{scheme.lower()}{mark}{rest}"


ADDRESS = Address(
    rf"^{_SERVER}(/[^\s?#]*)?$",
    "an address such as http://127.0.0.1:8000 (a port from 1 to 65535, no user, password or query)",
    may_be_secret=True,
)
_URL = Address(
    rf"^{_SERVER}(/\S*)?$",
    "an address such as http://127.0.0.1:8000/metrics (a port from 1 to 65535, no user or password)",
    may_be_secret=True,
)
_PLACE = Address(
    rf"^/\S*$|^{_SERVER}(/\S*)?$",
    "a path, or an address (a port from 1 to 65535, no user or password)",
    may_be_secret=True,
)
_ANY_FILE = FilePath(must_exist=False)


class SecretTable(Table):
    """Says where a secret is; one that is written out instead is refused without being repeated."""

    __slots__ = ()

    def read(self, node: Node) -> Entry:
        """The place."""
        if not isinstance(node.content, dict):
            raise node.fail(
                "expected where the secret is, not the secret itself",
                remedy="such as {env: SHOP_DSN} or {file: /run/secrets/shop_dsn}",
            )
        return Table.read(self, node)


SECRET = SecretTable(
    "a secret",
    {
        "env": Field(
            Text(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable"),
            "the environment variable that holds it",
        ),
        "file": Field(_ANY_FILE, "the file that holds it, and nothing else"),
    },
)
READ = Table(
    "a read",
    {
        "sql": Field(
            Text(r"(?s)^.*\S.*$", "a query"), "a query; its columns are those of the read"
        ),
        "dsn": Field(SECRET, "where PostgreSQL's address is, instead of `reads.dsn`"),
        "sqlite": Field(_ANY_FILE, "a SQLite database file, instead of PostgreSQL"),
        "http": Field(
            _PLACE,
            "a path of the service, or a URL: its JSON is a list of objects with the columns",
        ),
        "method": Field(Text(r"^(GET|POST)$", "GET or POST"), "of the request", default="GET"),
        "token": Field(SECRET, "sent as `Authorization: Bearer`"),
    },
)
_MEANINGS = {
    "orders": "the orders that are recorded",
    "lines": "their lines, when `orders` has no `sku` and `quantity` itself",
    "stock": "what there was of each product, and what is left or sold",
    "movements": "the ledger of stock",
    "money": "the ledger of money",
    "payments": "the payments that are recorded",
}
FINAL_READS = Table(
    "final reads",
    {
        "dsn": Field(SECRET, "where PostgreSQL's address is, for every `sql` that has none"),
        "settle": Field(
            DURATION, "quiet time after the load, before anything is read", default=SETTLE_S
        ),
        "drained": Field(
            READ,
            "one number, asked for until it is 0 (`limits.drain_timeout`), instead of `settle`",
        ),
        **{name: Field(READ, _MEANINGS[name]) for name in READS},
    },
)
PROCESS = Table(
    "a process",
    {"pid_file": Field(_ANY_FILE, "the file with its process id", is_required=True)},
)
SERVICE = Table(
    "a service",
    {
        "url": Field(ADDRESS, "where customers reach it; --target replaces it", is_required=True),
        "health": Field(
            Text(r"^/\S*$", "a path such as /health"),
            "answers 2xx when the service is ready; without it any answer to / will do",
            default="",
        ),
        "metrics": Field(
            Mapped(_URL, NAME, "a name"), "Prometheus pages to keep beside the load", default={}
        ),
        "processes": Field(
            Mapped(PROCESS, NAME, "a name"), "whose CPU and memory to watch", default={}
        ),
        "reads": Field(FINAL_READS, "what the invariants are judged by"),
    },
)


def build_service(entry: Entry | None) -> Service | None:
    """The service, None when the scenario has none. Raises ConfigError with the line."""
    if entry is None:
        return None
    url = entry["url"].rstrip("/")
    reads = entry["reads"]
    return Service(
        url=url,
        health=entry["health"],
        metrics=entry["metrics"],
        processes={name: process["pid_file"] for name, process in entry["processes"].items()},
        reads=dict(_reads(reads, url)) if reads else {},
        settle_s=reads["settle"] if reads else SETTLE_S,
        drained=_drained(reads, url) if reads else None,
    )


def _reads(entry: Entry, url: str) -> Iterator[tuple[str, Read]]:
    for name in READS:
        if entry[name] is not None:
            yield name, _read(entry[name], entry, url)


def _drained(entry: Entry, url: str) -> Read | None:
    return None if entry["drained"] is None else _read(entry["drained"], entry, url)


def _read(entry: Entry, reads: Entry, url: str) -> Read:
    """One read. Raises ConfigError when it is not clear what is read."""
    node = entry.node
    if (entry["sql"] is None) == (entry["http"] is None):
        raise node.fail("a read has either `sql` or `http`", remedy="leave out the other")
    if entry["http"] is not None:
        _refuse(entry, ("dsn", "sqlite"), "goes with `sql`")
        token = build_secret(entry["token"])
        return HttpRead(_joined(url, entry["http"]), entry["method"], token, node.line)
    _refuse(entry, ("token",), "goes with `http`")
    if entry["sqlite"] is not None:
        _refuse(entry, ("dsn",), "is PostgreSQL's, and this read is of a SQLite file")
        return SqlRead(entry["sql"], sqlite=entry["sqlite"], line=node.line)
    dsn = build_secret(entry["dsn"] or reads["dsn"])
    if dsn is None:
        raise node.fail(
            "nobody says where the database is",
            remedy="such as reads.dsn: {env: SHOP_DSN}, or sqlite: shop.db",
        )
    return SqlRead(entry["sql"], dsn=dsn, line=node.line)


def _refuse(entry: Entry, keys: tuple[str, ...], why: str) -> None:
    for key in keys:
        if entry[key] is not None:
            raise entry.at(key).fail(why)


def build_secret(entry: Entry | None) -> Secret | None:
    """Where a secret is, None when nobody says. Raises ConfigError when that is not clear."""
    if entry is None:
        return None
    env: str | None = entry["env"]
    file: Path | None = entry["file"]
    if (env is None) == (file is None):
        raise entry.node.fail(
            "a secret has either `env` or `file`", remedy="such as {env: SHOP_DSN}"
        )
    return Secret(env or "", file)


def _joined(url: str, place: str) -> str:
    """A path of the service keeps the path of its address."""
    return url + place if place.startswith("/") else urljoin(url, place)


def refuse_reference(entry: Entry) -> None:
    """Raise ConfigError for what a scenario says to the reference stack alone."""
    if entry["backend"]:
        names = ", ".join(f"backend.{key}" for key in entry["backend"])
        raise entry.at("backend").fail(
            f"{names}: settings of the reference backend, which a run on your own service does not start",
            remedy="leave out `backend`",
        )
    if entry["time_scale"] != 1.0:
        raise entry.at("time_scale").fail(
            "the reference backend's clockwork: your own service does not know of it",
            remedy="leave out `time_scale`",
        )
