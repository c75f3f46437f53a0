"""Secrets inside a text: as it stands, percent-encoded, or as a query, a header, JSON or XML within it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from flashdrill.load.importing.secret_names import suggests_secret
from flashdrill.load.importing.secret_values import looks_secret

_NAMED = re.compile(r"""([A-Za-z][\w.\-\[\]]*)["'\\]*\s*[:=]\s*["'\\]*[^\s"'&,;})\\]""")
_TAGGED = re.compile(r"<([A-Za-z][\w.:-]*)[\s>]")
_CALLED = re.compile(
    r"""\s(?:name|key|id|field)\s*=\s*\\?["']([^"'<>\\]{1,100})|<(?:name|key|field)>([^<>]{1,100})<"""
)
"""In XML a name may stand beside its value: `<param name="token"><value>…`, `<member><name>token</name><value>…`."""
_ENCODED = 3


def holds_secret(text: str) -> bool:
    """Whether anything in the text looks like a secret, or goes by the name of one."""
    return any(looks_secret(read) or _names_secret(read) for read in _readings(text))


def _readings(text: str) -> Iterator[str]:
    """The text, and what it is when it was percent-encoded, also several times."""
    yield text
    for decode in (unquote, unquote_plus):
        last = text
        for _ in range(_ENCODED):
            decoded = decode(last)
            if decoded == last:
                break
            yield decoded
            last = decoded


def _names_secret(text: str) -> bool:
    names = {*_NAMED.findall(text), *_TAGGED.findall(text)}
    names.update(name for found in _CALLED.findall(text) for name in found)
    return any(map(suggests_secret, names))
