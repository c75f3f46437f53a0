"""Placeholders in a text: `/buy/${sku}`; `$${` is a plain `${`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PARTS = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
RANDOM = re.compile(r"random:(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What is filled in for each request."""

    name: str


def pieces(text: str) -> tuple[str | Placeholder, ...]:
    """The text cut at its placeholders, without empty pieces. Raises ValueError for one that has no end."""
    found: list[str | Placeholder] = []
    literal, end = "", 0
    for match in _PARTS.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match.group() == "$${":
            literal += "${"
        elif match.group(1) is None:
            raise ValueError("a placeholder without its end: write ${name}, or $${ for a plain ${")
        else:
            found += [literal, Placeholder(match.group(1).strip())]
            literal = ""
    return tuple(piece for piece in (*found, literal + text[end:]) if piece)


def names(text: str) -> tuple[str, ...]:
    """The names of its placeholders, in their order. Raises ValueError like `pieces`."""
    return tuple(piece.name for piece in pieces(text) if isinstance(piece, Placeholder))


def only_name(text: str) -> str:
    """The name of the placeholder that is the whole text; empty when it is not one."""
    found = pieces(text)
    return found[0].name if len(found) == 1 and isinstance(found[0], Placeholder) else ""
