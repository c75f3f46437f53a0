"""Undoing over HTTP: toxics and proxies of Toxiproxy, rules of the edge.

A server that refuses connections is gone, and what it was told went with it.
"""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import quote, urlsplit

from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

REQUEST_TIMEOUT_S = 1.0

_TOXIPROXY_PORT = 8474
_GONE = 404


def toxic(undo: dict[str, Any], now: Circumstances) -> None:
    """Remove a toxic."""
    _ask(
        now, "DELETE", undo["api"], f"/proxies/{_word(undo['proxy'])}/toxics/{_word(undo['toxic'])}"
    )


def proxy_enabled(undo: dict[str, Any], now: Circumstances) -> None:
    """Switch a proxy on."""
    _ask(now, "POST", undo["api"], f"/proxies/{_word(undo['proxy'])}", b'{"enabled": true}')


def proxy_gone(undo: dict[str, Any], now: Circumstances) -> None:
    """Remove a proxy of ours."""
    _ask(now, "DELETE", undo["api"], f"/proxies/{_word(undo['proxy'])}")


def edge_rule(undo: dict[str, Any], now: Circumstances) -> None:
    """End a rule of the edge."""
    _ask(now, "DELETE", undo["api"], f"/rules/{_word(undo['rule'])}")


def _ask(now: Circumstances, method: str, api: str, path: str, body: bytes | None = None) -> None:
    good = {200, 204, _GONE} if method == "DELETE" else {200, _GONE}
    try:
        status = _request(now.left_s(REQUEST_TIMEOUT_S), method, api, path, body)
    except ConnectionRefusedError:
        return
    except (OSError, http.client.HTTPException) as error:
        raise NotUndoneError(
            f"{method} {api}{path}: {str(error) or type(error).__name__}"
        ) from None
    if status not in good:
        raise NotUndoneError(f"{method} {api}{path} was answered with status {status}")


def _request(timeout_s: float, method: str, api: str, path: str, body: bytes | None) -> int:
    where = urlsplit(api if "//" in api else f"//{api}")
    connection = http.client.HTTPConnection(
        where.hostname or "127.0.0.1", where.port or _TOXIPROXY_PORT, timeout=timeout_s
    )
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _word(name: str) -> str:
    return quote(name, "")
