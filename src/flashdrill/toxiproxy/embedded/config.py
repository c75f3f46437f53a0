"""The file that a server starts with: a JSON list of proxies, each with its toxics if it has any.

    [{"name": "shard0", "listen": "127.0.0.1:26000", "upstream": "127.0.0.1:5432",
      "toxics": [{"type": "latency", "attributes": {"latency": 80}}]}]

The real server ignores `toxics` here; the API of both ignores them when a proxy is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import ConfigError
from flashdrill.toxiproxy.embedded import bodies
from flashdrill.toxiproxy.embedded.bodies import ApiError
from flashdrill.toxiproxy.embedded.gojson import WHITESPACE
from flashdrill.toxiproxy.embedded.toxic import Toxic

REMEDY = (
    'a list such as [{"name": "shard0", "listen": "127.0.0.1:26000", "upstream": "127.0.0.1:5432"}]'
)


@dataclass(frozen=True, slots=True)
class Configured:
    """A proxy of the file: its fields as the API takes them, its toxics, and the line that it begins on."""

    fields: dict[str, Any]
    toxics: list[Toxic]
    line: int


def read(path: Path) -> list[Configured]:
    """Every proxy of the file, all of them checked. Raises ConfigError with the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        entries = list(_entries(text))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not text in UTF-8", path=path) from error
    except json.JSONDecodeError as error:
        raise ConfigError(error.msg, path=path, line=error.lineno, remedy=REMEDY) from error
    found: dict[str, Configured] = {}
    for line, entry in entries:
        try:
            proxy = _configured(entry, line, found)
        except ApiError as error:
            raise ConfigError(str(error), path=path, line=line, remedy=REMEDY) from error
        found[proxy.fields["name"]] = proxy
    return list(found.values())


def _entries(text: str) -> Iterator[tuple[int, Any]]:
    """The values of a JSON array, each with its line. Raises JSONDecodeError."""
    at = _next(text, 0, "[")
    decoder = json.JSONDecoder()
    while not text.startswith("]", at):
        value, end = decoder.raw_decode(text, at)
        yield text.count("\n", 0, at) + 1, value
        end = _skipped(text, end)
        at = end if text.startswith("]", end) else _next(text, end, ",")
    if rest := text[at + 1 :].strip(WHITESPACE):
        raise json.JSONDecodeError("Extra data after the list", text, text.index(rest, at + 1))


def _next(text: str, at: int, sign: str) -> int:
    """Where the next thing begins after this sign."""
    at = _skipped(text, at)
    if not text.startswith(sign, at):
        raise json.JSONDecodeError(f"Expecting {sign!r}", text, at)
    return _skipped(text, at + 1)


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in WHITESPACE:
        at += 1
    return at


def _configured(entry: Any, line: int, earlier: Mapping[str, Configured]) -> Configured:
    """Raises ApiError."""
    if not isinstance(entry, dict):
        raise ApiError("a proxy is an object with name, listen and upstream", 400)
    fields = bodies.new_proxy(json.dumps(entry))
    if namesake := earlier.get(fields["name"]):
        raise ApiError(f"the proxy of line {namesake.line} has the same name", 409)
    return Configured(fields, _toxics(entry.get("toxics")), line)


def _toxics(entry: Any) -> list[Toxic]:
    if not isinstance(entry, list | None):
        raise ApiError("toxics is a list", 400)
    toxics: list[Toxic] = []
    for number, each in enumerate(entry or [], start=1):
        try:
            toxic = bodies.new_toxic(json.dumps(each))
        except ApiError as error:
            raise ApiError(f"toxic {number}: {error}", error.status) from error
        if any(toxic.name == known.name for known in toxics):
            raise ApiError(f"toxic {number}: there is one called {toxic.name} already", 409)
        toxics.append(toxic)
    return toxics
