"""Toxiproxy's HTTP API for one server, over toxiproxy-python, whose faults stop here.

That library keeps the server's address on a class, has no timeouts, obeys HTTP_PROXY and .netrc, ends in a
`KeyError` where the server answered 500, and cannot update a toxic. Nothing else imports it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from flashdrill.errors import ToxiproxyError

DEFAULT_PORT = 8474
GRACE_S = 0.5
"""How much longer than its own timeout a request may take before its answer is given up."""

_NO_PROXY = {"http": "", "https": ""}
_STATUS: Mapping[type[Exception], int] = {InvalidToxic: 400, NotFound: 404, ProxyExists: 409}
_REMEDY = "see whether the Toxiproxy server is alive and its address is right"


@dataclass(frozen=True, slots=True)
class ToxicInfo:
    """A toxic as the server tells it."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """A proxy as the server tells it; `listen` is where it really listens."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicInfo, ...] = ()


class Toxiproxy:
    """One server. Every failure is a ToxiproxyError: `status` is the server's, 0 when it did not answer.

    No call takes longer than `timeout_s` and half a second.
    """

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        host, port = _address(url)
        # A class of its own for each server: the library keeps the address there.
        self._api = type("Consumer", (APIConsumer,), {"host": host, "port": port})
        self.url = f"http://{host}:{port}"
        self.timeout_s = timeout_s

    async def version(self) -> str:
        """The server's version, such as `2.12.0` (`git` for a plain `go install`)."""
        return str(_key(await self._call("get", "/version"), "version"))

    async def proxies(self) -> dict[str, ProxyInfo]:
        """Every proxy by name."""
        found = _object(await self._call("get", "/proxies"))
        return {name: _proxy(value) for name, value in found.items()}

    async def listing(self) -> dict[str, Any]:
        """Every proxy by name, exactly as the server tells it: to compare two moments."""
        return _object(await self._call("get", "/proxies"))

    async def create(self, name: str, listen: str, upstream: str) -> ProxyInfo:
        """A new, enabled proxy; 409 when the name is taken, 500 when it cannot listen."""
        body = {"name": name, "listen": listen, "upstream": upstream}
        return _proxy(await self._call("post", "/proxies", body))

    async def populate(self, proxies: Iterable[Mapping[str, Any]]) -> list[ProxyInfo]:
        """Proxies (name, listen, upstream, enabled) as wanted; unchanged ones keep connections and toxics."""
        answer = await self._call("post", "/populate", [dict(proxy) for proxy in proxies])
        return [_proxy(value) for value in _key(answer, "proxies") or []]

    async def delete(self, name: str) -> bool:
        """Remove a proxy and close its connections; False when there was none."""
        return await self._gone(_path("proxies", name))

    async def set_enabled(self, proxy: str, is_enabled: bool) -> ProxyInfo:
        """Start or stop a proxy; stopped, its connections end and new ones are refused."""
        return _proxy(await self._call("post", _path("proxies", proxy), {"enabled": is_enabled}))

    async def toxics(self, proxy: str) -> tuple[ToxicInfo, ...]:
        """A proxy's toxics, upstream ones first."""
        return _toxics(await self._call("get", _path("proxies", proxy, "toxics")))

    async def add_toxic(
        self,
        proxy: str,
        *,
        name: str,
        type: str,  # noqa: A002 - the API's word
        attributes: Mapping[str, int],
        stream: str = "downstream",
        toxicity: float = 1.0,
    ) -> ToxicInfo:
        """Add a toxic, in force on existing connections too; 409 when the name is taken."""
        body = {
            "name": name,
            "type": type,
            "stream": stream,
            "toxicity": toxicity,
            "attributes": dict(attributes),
        }
        return _toxic(await self._call("post", _path("proxies", proxy, "toxics"), body))

    async def update_toxic(
        self,
        proxy: str,
        name: str,
        *,
        attributes: Mapping[str, int] | None = None,
        toxicity: float | None = None,
    ) -> ToxicInfo:
        """Change what is given of a toxic, and leave the rest."""
        body: dict[str, Any] = {} if toxicity is None else {"toxicity": toxicity}
        if attributes is not None:
            body["attributes"] = dict(attributes)
        return _toxic(await self._call("post", _path("proxies", proxy, "toxics", name), body))

    async def remove_toxic(self, proxy: str, name: str) -> bool:
        """Remove a toxic; False when there was none (or no such proxy): it is gone either way."""
        return await self._gone(_path("proxies", proxy, "toxics", name))

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        await self._call("post", "/reset")

    async def _gone(self, path: str) -> bool:
        try:
            await self._call("delete", path)
        except ToxiproxyError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        send: Callable[..., requests.Response] = getattr(self._api, method)
        # As bytes: the library's own `json` argument is missing from some of its methods.
        data = None if body is None else json.dumps(body).encode()
        request = partial(
            send, path, timeout=self.timeout_s, proxies=_NO_PROXY, auth=_unchanged, data=data
        )
        try:
            async with asyncio.timeout(self.timeout_s + GRACE_S):
                answer = await asyncio.to_thread(_sent, request)
        except (requests.RequestException, TimeoutError) as error:
            reason = _root(error)
            message = f"Toxiproxy at {self.url} did not answer {method.upper()} {path}: {reason}"
            raise ToxiproxyError(message, remedy=_REMEDY) from error
        return self._read(answer, f"{method.upper()} {path}")

    def _read(self, answer: _Answer, what: str) -> Any:
        if answer.status >= 300:
            reason = _reason(answer.content)
            message = f"Toxiproxy at {self.url} refused {what} with {answer.status}: {reason}"
            raise ToxiproxyError(message, status=answer.status)
        if not answer.content.strip():
            return None
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise _unreadable(answer.content) from error


def _address(url: str) -> tuple[str, int]:
    """Host (IPv6 in brackets) and port of `http://host:port`; the scheme and the port may be left out."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ToxiproxyError(f"{url!r} is no Toxiproxy address: {error}") from error
    if not host or parts.scheme not in {"", "http"}:
        remedy = f"give it as http://127.0.0.1:{DEFAULT_PORT}"
        raise ToxiproxyError(f"{url!r} is no Toxiproxy address", remedy=remedy)
    return f"[{host}]" if ":" in host else host, port or DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes


def _sent(request: Callable[[], requests.Response]) -> _Answer:
    """Send, in a thread; the library raises for three statuses and lets the others through."""
    try:
        with request() as response:
            return _Answer(response.status_code, response.content)
    except tuple(_STATUS) as refusal:
        content = refusal.args[0] if refusal.args else b""
        return _Answer(_STATUS[type(refusal)], content)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No authentication: keeps requests from looking into .netrc."""
    return request


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _proxy(value: Any) -> ProxyInfo:
    return ProxyInfo(
        name=_key(value, "name"),
        listen=_key(value, "listen"),
        upstream=_key(value, "upstream"),
        enabled=_key(value, "enabled"),
        toxics=_toxics(_key(value, "toxics")),
    )


def _toxics(values: Any) -> tuple[ToxicInfo, ...]:
    if not isinstance(values, list):
        raise _unreadable(values)
    return tuple(_toxic(value) for value in values)


def _toxic(value: Any) -> ToxicInfo:
    return ToxicInfo(
        name=_key(value, "name"),
        type=_key(value, "type"),
        stream=_key(value, "stream"),
        toxicity=float(_key(value, "toxicity")),
        attributes=dict(_object(_key(value, "attributes"))),
    )


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable(value)
    return value


def _key(value: Any, name: str) -> Any:
    found = _object(value)
    if name not in found:
        raise _unreadable(value)
    return found[name]


def _unreadable(value: Any) -> ToxiproxyError:
    return ToxiproxyError(
        f"this is not what Toxiproxy answers: {str(value)[:200]!r}",
        remedy="see whether another server listens at this address",
    )


def _reason(content: bytes) -> str:
    """The server's own words."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content.decode("utf-8", "replace").strip()[:200]


def _root(error: BaseException) -> str:
    """The innermost cause: requests and urllib3 wrap theirs in three layers of text."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    return str(inner or error) or type(error).__name__
