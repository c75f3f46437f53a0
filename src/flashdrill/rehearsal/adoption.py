"""A user's own proxies as targets: named by `--adopt NAME=KIND`, found at their server, given back as found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from flashdrill.chaos.bandwidth import Bandwidth
from flashdrill.chaos.fault import Fault
from flashdrill.chaos.limit_data import LimitData
from flashdrill.chaos.session import SessionFault
from flashdrill.chaos.slicer import Slicer
from flashdrill.chaos.target import Address, Target
from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.plan.faults import check_plan
from flashdrill.plan.source import did_you_mean
from flashdrill.toxiproxy.client import ProxyInfo, Toxiproxy

PREFIX = "adopted/"
"""What plans put before the proxy's name: it cannot be taken for a target of the stack."""
_LOGS_IN = (Bandwidth, LimitData, Slicer)
"""Their effect on a database is seen by queries."""
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


def adoptable(path: Path, kinds: Mapping[str, type[Fault]]) -> dict[str, frozenset[str]]:
    """The targets of a plan that only a run can adopt, as if each were a server of any kind. Raises ConfigError."""
    lines = check_plan(path, kinds)["faults"]
    names = {name for line in lines for name in line["target"] if name.startswith(PREFIX)}
    return dict.fromkeys(sorted(names), frozenset(KINDS))


def check_adopted(
    plan: FaultPlan, kinds: Mapping[str, type[Fault]], adopted: Mapping[str, Target]
) -> None:
    """Raise ConfigError for a fault that a proxy alone cannot make: only the reference stack has what it needs."""
    for planned in plan.faults:
        if planned.target not in adopted:
            continue
        kind, is_database = kinds[planned.kind], "postgres" in adopted[planned.target].kinds
        lacking = f"the stack's {', '.join(sorted(kind.needs))}" if kind.needs else ""
        if issubclass(kind, SessionFault) or (is_database and issubclass(kind, _LOGS_IN)):
            lacking = "a login at the database"
        if lacking:
            raise ConfigError(
                f"{planned.kind} cannot be done to {planned.target}: it needs {lacking}, and an adopted proxy has none",
                path=plan.path,
                line=planned.line,
                remedy="use a fault of the network, such as latency, timeout, reset_peer or down",
            )


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
