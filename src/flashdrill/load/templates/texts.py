"""Templates made ready: cut into pieces once, put together for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from flashdrill.load.templates.placeholders import Placeholder, only_name, pieces
from flashdrill.load.templates.scene import Scene
from flashdrill.load.templates.values import Value

Lookup = Callable[[str], Value]
Text = Callable[[Scene], str]
Body = Callable[[Scene], bytes]

_WRITTEN_IN_PATHS = "".join(set(map(chr, range(0x21, 0x7F))))
_encode = msgspec.json.Encoder().encode


def text(
    template: str,
    lookup: Lookup,
    escape: Callable[[str], str] = str,
    literal: Callable[[str], str] = str,
) -> Text:
    """A text; what is filled in goes through `escape`, what is written there through `literal`."""
    parts = [literal(part) if isinstance(part, str) else part for part in _parts(template, lookup)]
    if all(isinstance(part, str) for part in parts):
        constant = "".join(part for part in parts if isinstance(part, str))
        return lambda _scene: constant

    def fill(scene: Scene) -> str:
        return "".join(
            [part if isinstance(part, str) else escape(written(part(scene))) for part in parts]
        )

    return fill


def path(template: str, lookup: Lookup) -> Text:
    """A path with its query; what is filled in is percent-encoded, and so is what is no ASCII."""
    return text(template, lookup, lambda value: quote(value, safe=""), _ascii)


def header(template: str, lookup: Lookup) -> Text:
    """A header's value: UTF-8, in the bytes that the wire takes for Latin-1."""
    fill = text(template, lookup)

    def encoded(scene: Scene) -> str:
        value = fill(scene)
        return value if value.isascii() else value.encode().decode("latin-1")

    return encoded


def typed(template: str, lookup: Lookup) -> Value:
    """The value itself when the whole template is one placeholder, else a text."""
    name = only_name(template)
    return lookup(name) if name else text(template, lookup)


def body(kind: str, template: Any, lookup: Lookup) -> Body:
    """The bytes of a body: json, form or text; none for an empty kind."""
    if kind == "json":
        return _joined(list(_json(template, lookup)))
    if kind == "form":
        return _joined(list(_form(template, lookup)))
    fill = text(template if kind else "", lookup)
    return lambda scene: fill(scene).encode()


def written(value: object) -> str:
    """A value within a text: as JSON writes it, and texts as they are."""
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value).decode()


def _ascii(literal: str) -> str:
    """What is written in a path, with its reserved characters and what is percent-encoded already."""
    return quote(literal, safe=_WRITTEN_IN_PATHS)


def _parts(template: str, lookup: Lookup) -> list[str | Value]:
    return [lookup(p.name) if isinstance(p, Placeholder) else p for p in pieces(template)]


def _joined(parts: list[bytes | Body]) -> Body:
    """Constant neighbours become one."""
    merged: list[bytes | Body] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            merged[-1] = last + part
        else:
            merged.append(part)
    if all(isinstance(part, bytes) for part in merged):
        constant = b"".join(part for part in merged if isinstance(part, bytes))
        return lambda _scene: constant

    def fill(scene: Scene) -> bytes:
        return b"".join([part if isinstance(part, bytes) else part(scene) for part in merged])

    return fill


def _json(template: Any, lookup: Lookup) -> Iterator[bytes | Body]:
    if isinstance(template, Mapping):
        for number, (key, value) in enumerate(template.items()):
            yield (b"," if number else b"{") + _encode(key) + b":"
            yield from _json(value, lookup)
        yield b"}" if template else b"{}"
    elif isinstance(template, list | tuple):
        yield b"["
        for number, value in enumerate(template):
            yield b"," if number else b""
            yield from _json(value, lookup)
        yield b"]"
    elif isinstance(template, str):
        yield _json_text(template, lookup)
    else:
        yield _encode(template)


def _json_text(template: str, lookup: Lookup) -> bytes | Body:
    parts = pieces(template)
    if all(isinstance(part, str) for part in parts):
        return _encode("".join(part for part in parts if isinstance(part, str)))
    value = typed(template, lookup)
    return lambda scene: _encode(value(scene))


def _form(template: Mapping[str, str], lookup: Lookup) -> Iterator[bytes | Body]:
    for number, (key, value) in enumerate(template.items()):
        yield (("&" if number else "") + quote_plus(key) + "=").encode()
        yield _form_value(value, lookup)


def _form_value(template: str, lookup: Lookup) -> Body:
    fill = text(template, lookup)
    return lambda scene: quote_plus(fill(scene)).encode()
