"""Somebody's own service, which runs already: where it is, and how its stores are read at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

READS = ("orders", "lines", "stock", "movements", "money", "payments")
"""The final reads that may be declared; `flashdrill.audit.contract` says what each must give."""

SETTLE_S = 2.0
"""The quiet time when nothing is said."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in an environment variable, or in a file. The secret itself is never kept here."""

    env: str = ""
    file: Path | None = None

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"${self.env}" if self.env else str(self.file)


@dataclass(frozen=True, slots=True)
class SqlRead:
    """A query on PostgreSQL (`dsn`) or on a SQLite file (`sqlite`)."""

    sql: str
    dsn: Secret | None = None
    sqlite: Path | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class HttpRead:
    """A request whose answer is a JSON list of objects, or pages of them; `token` goes into `Authorization: Bearer`."""

    url: str
    method: str = "GET"
    token: Secret | None = None
    line: int = 0


Read = SqlRead | HttpRead


@dataclass(frozen=True, slots=True)
class Service:
    """`url` has no trailing slash; `health` is a path that answers 2xx when all is well, empty: any answer will do.

    `metrics` are Prometheus URLs, `processes` files with a pid, `reads` the declared final reads, all by name.
    Before they are read `settle_s` of quiet pass, or `drained` (one number) is 0.
    """

    url: str
    health: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[str, Path] = field(default_factory=dict)
    reads: Mapping[str, Read] = field(default_factory=dict)
    settle_s: float = SETTLE_S
    drained: Read | None = None

    def urls(self) -> Iterator[tuple[str, str]]:
        """Every URL that is asked during a run, by the key that names it."""
        yield "service.url", self.url
        for name, url in self.metrics.items():
            yield f"service.metrics.{name}", url
        for name, read in (*self.reads.items(), ("drained", self.drained)):
            if isinstance(read, HttpRead):
                yield f"service.reads.{name}", read.url

    def tokens(self) -> Iterator[Secret]:
        """Those that are sent in a header."""
        for read in (*self.reads.values(), self.drained):
            if isinstance(read, HttpRead) and read.token is not None:
                yield read.token

    def secrets(self) -> Iterator[Secret]:
        """Every secret that a read needs."""
        drained = () if self.drained is None else (self.drained,)
        for read in (*self.reads.values(), *drained):
            secret = read.dsn if isinstance(read, SqlRead) else read.token
            if secret is not None:
                yield secret
