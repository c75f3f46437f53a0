"""Undoing injections from the journal. Standard library only: the guardian uses it."""

from __future__ import annotations

import http.client
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flashdrill.model.journal import Journal, unhealed
from flashdrill.stack.processes import complain, send

HEAL_LIMIT_S = 1.5
REQUEST_TIMEOUT_S = 1.0


def heal(path: Path) -> dict[str, bool]:
    """Undo what the journal says is still in force, newest first, and note what is healed; by fault."""
    deadline = time.monotonic() + HEAL_LIMIT_S
    results: dict[str, bool] = {}
    for fault, undo in unhealed(path):
        done = time.monotonic() < deadline and undone(undo)
        results[fault] = results.get(fault, True) and done
    if any(results.values()):
        journal = Journal(path)
        for fault, done in results.items():
            if done:
                journal.healed(fault)
        journal.close()
    return results


def undone(undo: dict[str, Any]) -> bool:
    """Whether nothing of an injection is left. A server that is gone took its toxics with it."""
    try:
        match undo.get("type"):
            case "toxic":
                path = f"/proxies/{quote(undo['proxy'], '')}/toxics/{quote(undo['toxic'], '')}"
                return _request("DELETE", undo["api"], path) in {200, 204, 404}
            case "proxy_enabled":
                path = f"/proxies/{quote(undo['proxy'], '')}"
                return _request("POST", undo["api"], path, b'{"enabled": true}') in {200, 404}
            case "sigcont":
                send(int(undo["pid"]), signal.SIGCONT)
                return True
            case _:
                return True
    except ConnectionRefusedError:
        return True
    except Exception as error:
        complain("heal", error)
        return False


def _request(method: str, api: str, path: str, body: bytes | None = None) -> int:
    where = urlsplit(api if "//" in api else f"//{api}")
    connection = http.client.HTTPConnection(
        where.hostname or "127.0.0.1", where.port or 8474, timeout=REQUEST_TIMEOUT_S
    )
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
