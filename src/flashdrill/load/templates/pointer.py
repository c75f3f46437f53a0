"""JSON pointers (RFC 6901): where in an answer a value is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MISSING: Any = object()


def pointer(text: str) -> Callable[[Any], Any]:
    """A function from a document to the value there, or to MISSING; an array's members are counted from 0."""
    tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])

    def find(document: Any) -> Any:
        for token in tokens:
            document = _step(document, token)
        return document

    return find


def _step(document: Any, token: str) -> Any:
    if isinstance(document, dict):
        return document.get(token, MISSING)
    if isinstance(document, list) and token.isdecimal() and int(token) < len(document):
        return document[int(token)]
    return MISSING
