"""What undoing an injection means, in one line for people. Passwords are struck out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flashdrill.stack.undo.sql import without_password

_WORDS: Mapping[str, str] = {
    "toxic": "remove the toxic {toxic} from the proxy {proxy} at {api}",
    "proxy_enabled": "switch the proxy {proxy} at {api} on",
    "proxy_gone": "remove the proxy {proxy} from {api}",
    "edge_rule": "end the rule {rule} of the edge at {api}",
    "sigcont": "let process {pid} go on",
    "signal": "send signal {signum} to process {pid}",
    "signal_named": "send signal {signum} to {name}",
    "kill": "end process {pid}",
    "respawn": "start {name} again",
    "file_gone": "remove {path}",
    "file_text": "write {path} as it was",
    "json_value": "set {key} to {value!r} in {path}",
    "none": "nothing: it ended with the harness",
}


def in_words(undo: dict[str, Any]) -> str:
    """What is to be done. Never raises: an entry that makes no sense must not hide the others."""
    try:
        return _in_words(undo)
    except (AttributeError, TypeError, ValueError):
        return f"something that makes no sense to this version: {undo.get('type')}"


def _in_words(undo: dict[str, Any]) -> str:
    match undo:
        case {"type": "sql", "dsn": dsn, "statements": statements}:
            return without_password(f"at {dsn}: {'; '.join(statements)}", dsn)
        case {"type": "redis", "host": host, "port": port, "commands": commands}:
            return f"at {host}:{port}: {'; '.join(' '.join(words) for words in commands)}"
        case {"type": "all", "steps": steps}:
            return ", then ".join(_in_words(step) for step in steps)
    kind = str(undo.get("type"))
    try:
        return _WORDS[kind].format(**undo)
    except KeyError:
        return f"something that this version does not know: {kind}"
