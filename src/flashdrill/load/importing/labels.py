"""Which journey a recorded label becomes, when the user does not say.

A label that sounds like a write (`FundTransfer`, `POST /orders`) becomes `order`, everything else
`browse`; a word for reading wins (`TransferHistory` is read). It is a first guess, printed and kept in
the `operations` of the traffic model, for the user to edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from flashdrill.errors import ConfigError
from flashdrill.model.traffic import journey_of

WRITE_JOURNEY = "order"
READ_JOURNEY = "browse"
_JOURNEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

_READS = {
    *("get", "fetch", "find", "list", "search", "view", "show", "read", "lookup", "query"),
    *("history", "inquiry", "enquiry", "details", "detail", "status", "report", "head"),
}
_WRITES = {"add", "buy", "pay", "payment", "make", "post", "put", "patch", "delete", "checkout"}
_WRITE_PARTS = ("create", "order", "transfer", "submit", "update", "purchase")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def guess(label: str) -> str:
    """`order` for a label that sounds like a write, else `browse`."""
    words = [word.lower() for word in _WORD.findall(label)]
    if any(word in _READS for word in words):
        return READ_JOURNEY
    is_write = any(word in _WRITES or any(part in word for part in _WRITE_PARTS) for word in words)
    return WRITE_JOURNEY if is_write else READ_JOURNEY


def choose(
    labels: Iterable[str], mapping: Sequence[str], named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The journey of every label: the user's `PATTERN=JOURNEY` items first, what is `named`, else the guess.

    Raises ConfigError for an item that is not of that form, or fits no label.
    """
    names = list(labels)
    asked = dict(_item(text) for text in mapping)
    for pattern in asked:
        if not any(journey_of(name, {pattern: "x"}) for name in names):
            known = ", ".join(sorted(names)[:10])
            raise ConfigError(f"--map {pattern}: no label fits it; there are {known}")
    return {
        name: journey_of(name, asked) or (named or {}).get(name) or guess(name) for name in names
    }


def _item(text: str) -> tuple[str, str]:
    pattern, separator, journey = text.rpartition("=")
    if not (separator and pattern and _JOURNEY.fullmatch(journey)):
        raise ConfigError(
            f"--map {text}: expected LABEL=JOURNEY", remedy="such as --map 'Fetch*=browse'"
        )
    return pattern, journey
