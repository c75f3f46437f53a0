"""A user's own proxies as targets: named by `--adopt NAME=KIND`, found at their server, given back as found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from flashdrill.chaos.target import Address, Target
from flashdrill.errors import ConfigError
from flashdrill.plan.source import did_you_mean
from flashdrill.toxiproxy.client import ProxyInfo, Toxiproxy

PREFIX = "adopted/"
"""What plans put before the proxy's name: it cannot be taken for a target of the stack."""
KINDS = ("tcp", "postgres", "redis", "http")


def adopt(url: str, wishes: Iterable[str]) -> dict[str, Target]:
    """The proxies that are named, as targets; each wish is `NAME=KIND`, KIND what the server behind it speaks.

    Raises ConfigError for a wish that cannot be, ToxiproxyError when the server does not answer.
    """
    wanted = dict(map(_parsed, wishes))
    if not wanted:
        return {}
    if "://" not in url:
        raise ConfigError(
            "--adopt needs the address of your Toxiproxy server",
            remedy="add --toxiproxy http://127.0.0.1:8474",
        )
    found = asyncio.run(Toxiproxy(url).proxies())
    return {PREFIX + name: _target(name, kind, found, url) for name, kind in wanted.items()}


def _parsed(wish: str) -> tuple[str, str]:
    name, _, kind = wish.rpartition("=")
    if not name or kind not in KINDS:
        raise ConfigError(
            f"--adopt {wish}: expected NAME=KIND, such as orders-db=postgres",
            remedy=f"KIND is what the server behind the proxy speaks: {', '.join(KINDS)}",
        )
    return name, kind


def _target(name: str, kind: str, found: Mapping[str, ProxyInfo], url: str) -> Target:
    if name not in found:
        raise ConfigError(
            f"--adopt: {url} has no proxy {name!r}{did_you_mean(name, found)}",
            remedy=f"there are {', '.join(sorted(found)) or 'none'}",
        )
    proxy = found[name]
    return Target(
        name=PREFIX + name,
        kinds=frozenset({"tcp", kind}),
        proxy=name,
        listen=_address(proxy.listen),
        upstream=_address(proxy.upstream),
    )


def _address(text: str) -> Address:
    """Toxiproxy writes every address as host:port, an IPv6 host in brackets."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)
