"""The label of a request that a recording knows by method and target, such as `GET /orders/*`.

Paths are cut to their first parts, so that there are as many labels as there are routes; numbers and ids in them
become `*`.
"""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"\d+|[0-9a-fA-F-]{16,}|[^/]*\d{3,}[^/]*")
_BESIDE = re.compile(r";[^/]*")
_LONGEST = 200


def label_of(method: str, target: str, depth: int) -> str:
    """Method and route, without the query and `;jsessionid=…`; `depth` is how many parts of the path are kept."""
    return label_at(method, route_of(target, depth))


def label_at(method: str, route: str) -> str:
    """The label of a method at a route."""
    return f"{method} {route}"[:_LONGEST]


def route_of(target: str, depth: int) -> str:
    """The first parts of the path, whole, with `*` for numbers and ids."""
    path = _BESIDE.sub("", target.partition("?")[0].partition("#")[0])
    if "://" in path and not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    parts = [part for part in path.split("/") if part]
    return f"/{'/'.join('*' if _VARIABLE.fullmatch(part) else part for part in parts[:depth])}"
