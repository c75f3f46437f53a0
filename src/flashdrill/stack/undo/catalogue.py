"""Every type of undo by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flashdrill.stack.undo import api, file, process, resp, sql
from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

Undo = dict[str, Any]


def carry_out(undo: Undo, now: Circumstances) -> None:
    """Undo one injection. Raises NotUndoneError with what is left."""
    kind = str(undo.get("type"))
    if kind not in TYPES:
        raise NotUndoneError(f"this version does not know how to undo {kind!r}")
    try:
        TYPES[kind](undo, now)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotUndoneError(f"the journal's entry {kind!r} makes no sense: {error!r}") from None


def _none(_undo: Undo, _now: Circumstances) -> None:
    """Nothing of it outlives the harness."""


def _all(undo: Undo, now: Circumstances) -> None:
    """Every step is tried, whatever became of those before."""
    failures = []
    for step in undo["steps"]:
        try:
            carry_out(step, now)
        except NotUndoneError as error:
            failures.append(str(error))
    if failures:
        raise NotUndoneError("; ".join(failures))


TYPES: Mapping[str, Callable[[Undo, Circumstances], None]] = {
    "toxic": api.toxic,
    "proxy_enabled": api.proxy_enabled,
    "proxy_gone": api.proxy_gone,
    "edge_rule": api.edge_rule,
    "sigcont": process.sigcont,
    "signal": process.send_signal,
    "signal_named": process.signal_named,
    "kill": process.kill,
    "respawn": process.respawn,
    "sql": sql.sql,
    "redis": resp.redis,
    "file_gone": file.file_gone,
    "file_text": file.file_text,
    "json_value": file.json_value,
    "all": _all,
    "none": _none,
}


def places(undo: Undo) -> Iterator[str]:
    """What it changes that another fault may have changed too: the newest of those must be undone first."""
    match undo:
        case {"type": "sql", "dsn": dsn}:
            yield f"sql {dsn}"
        case {"type": "redis", "host": host, "port": port}:
            yield f"redis {host}:{port}"
        case {"type": "file_gone" | "file_text" | "json_value", "path": path}:
            yield f"file {path}"
        case {"type": "all", "steps": [*steps]}:
            for step in steps:
                yield from places(step)
