"""Requests of a service that nobody wrote Python for: templates, what fills them, and journeys made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.model.service import Secret

ORDERS = ("sequence", "random", "once")
"""How customers take the rows of a file: in turn and again from the top, by chance, or each row at most once."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What each customer takes one of: a row of a CSV file, or without one the next of start, start + step, ...

    `numbers` are the columns that hold whole numbers.
    """

    csv: Path | None = None
    order: str = "sequence"
    numbers: tuple[str, ...] = ()
    start: int = 1
    step: int = 1
    line: int = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """A header with an HMAC of the template `of`: ${body}, ${timestamp} (Unix seconds), ${method}, ${path}.

    `timestamp_header` carries the timestamp; empty: none does.
    """

    algorithm: str
    header: str
    of: str
    secret: Secret
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """One request; its texts hold placeholders. `body_kind` is json, form, text, or empty: no body.

    `ok`, `refused` and `definite` map statuses to reasons; any other status is unknown. `capture` maps a name to a
    JSON pointer into the answer. `history` is what the checkers need to know: texts, and whole numbers.
    """

    name: str
    method: str
    url_path: str
    ok: Mapping[int, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body_kind: str = ""
    body: Any = None
    sign: Sign | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    definite: Mapping[int, str] = field(default_factory=dict)
    attempts: int = 1
    capture: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A request by its name, or with an empty one a time to think between two bounds in seconds."""

    request: str = ""
    think_from_s: float = 0.0
    think_to_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Templates:
    """A file of requests. `secrets` are kept by their place only."""

    path: Path
    requests: Mapping[str, RequestTemplate]
    journeys: Mapping[str, tuple[Step, ...]]
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def every_secret(self) -> Iterator[Secret]:
        """Those that have names, and those that sign."""
        yield from self.secrets.values()
        for request in self.requests.values():
            if request.sign is not None:
                yield request.sign.secret
