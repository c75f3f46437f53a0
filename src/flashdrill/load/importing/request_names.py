"""Names for the requests of labels: `get_orders_id` for `GET /orders/*`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

_LONGEST = 56


def request_names(labels: Iterable[str]) -> dict[str, str]:
    """A name for each label, no two the same."""
    names: dict[str, str] = {}
    taken = set[str]()
    for label in labels:
        name = _name(label)
        free = next(n for n in _numbered(name) if n not in taken)
        taken.add(free)
        names[label] = free
    return names


def _name(label: str) -> str:
    words = re.sub(r"[^A-Za-z0-9-]+", "_", label.replace("*", "id")).strip("_-").lower()
    if label.endswith(" /"):
        words = f"{words}_root"
    return (words if words[:1].isalpha() else f"request_{words}".rstrip("_"))[:_LONGEST]


def _numbered(name: str) -> Iterable[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))
