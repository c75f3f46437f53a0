"""settings.md: what of the reference backend can be set."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from backend.settings import Settings
from flashdrill.report.tables import table

GIVEN_BY_THE_STACK = frozenset(
    [
        "shards",
        "redis_url",
        "queue_dir",
        "hmac_secret",
        "host",
        "port",
        "metrics_port",
        "events_path",
    ]
)
"""What a scenario does not set: the stack knows these."""
_NOMINAL = frozenset(
    [
        "level_window_s",
        "breaker_window_s",
        "breaker_reset_s",
        "hold_s",
        "sweep_every_s",
        "payment_lock_s",
    ]
)
_UNITS = {"_s": "s", "_bytes": "bytes", "_rate": "share"}


def lines() -> Iterator[str]:
    """The page."""
    yield "# Settings of the reference backend"
    yield ""
    yield (
        "A scenario sets them in its `backend`, one run with `--set backend.pool_size=2`. `flashdrill validate` asks "
        "the backend about them; unknown ones and values out of range are refused. *Nominal* seconds take "
        "1/`time_scale` of their time, real ones do not: see [time scale](../decisions/time-scale.md)."
    )
    yield ""
    yield "## What a scenario can set"
    yield ""
    yield from _table(is_given=False)
    yield "## What the stack sets"
    yield ""
    yield "Only of interest to whoever runs the backend by itself: `python -m backend serve --settings FILE` (JSON)."
    yield ""
    yield from _table(is_given=True)


def _table(*, is_given: bool) -> Iterator[str]:
    meanings = descriptions()
    schema = msgspec.json.schema(Settings)["$defs"]["Settings"]
    rows = (
        (
            f"`{key}`",
            unit_of(key),
            "**required**" if key in schema["required"] else default_of(document),
            _range(document),
            meanings.get(key, ""),
        )
        for key, document in schema["properties"].items()
        if (key in GIVEN_BY_THE_STACK) is is_given
    )
    yield from table(("key", "unit", "default", "range", "meaning"), rows)


def descriptions() -> dict[str, str]:
    """The docstring below each field of the settings."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(Settings)))
    assert isinstance(tree.body[0], ast.ClassDef)
    body = tree.body[0].body
    found = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = _text(after)
    return found


def _text(statement: ast.stmt) -> str:
    """What a statement says when it is nothing but a text."""
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return str(statement.value.value) if is_text else ""  # type: ignore[attr-defined]


def unit_of(key: str) -> str:
    """The unit that the key's name says."""
    if key in _NOMINAL:
        return "nominal s"
    if key == "time_scale":
        return "–"
    if key == "timing_sample":
        return "share"
    if "_bytes" in key:
        return "bytes"
    return next((unit for ending, unit in _UNITS.items() if re.search(f"{ending}$", key)), "–")


def default_of(document: dict[str, Any]) -> str:
    """The default as JSON has it."""
    value = document["default"]
    if value in ("", (), []):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _range(document: dict[str, Any]) -> str:
    if "enum" in document:
        return ", ".join(f"`{choice}`" for choice in document["enum"] if choice)
    if document["type"] == "array":
        return "list"
    if document["type"] == "string":
        return "text"
    low = document.get("minimum", document.get("exclusiveMinimum"))
    word = "over" if "exclusiveMinimum" in document else "from"
    return f"{word} {_plain(low)} to {_plain(document['maximum'])}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}".replace(",", " ")
