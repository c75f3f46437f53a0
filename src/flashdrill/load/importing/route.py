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
    path = _BESIDE.sub("", target.partition("?")[0].partition("#")[0])
    if "://" in path and not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    parts = [part for part in path.split("/") if part]
    kept = ["*" if _VARIABLE.fullmatch(part) else part for part in parts[:depth]]
    return f"{method} /{'/'.join(kept)}"[:_LONGEST]
