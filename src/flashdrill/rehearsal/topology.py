"""The reference stack as a fault plan sees it: the names that can be broken."""

from __future__ import annotations

from flashdrill.chaos.target import Target
from flashdrill.stack.embedded import Stack
from flashdrill.stack.services import SHARDS, proxies

__all__ = ["SHARDS", "target_names", "targets"]

KINDS: dict[str, frozenset[str]] = {proxy.name: proxy.kinds for proxy in proxies()}


def target_names() -> dict[str, frozenset[str]]:
    """The targets of the reference stack, and what kind of thing each is."""
    return dict(KINDS)


def targets(stack: Stack) -> dict[str, Target]:
    """The targets with the addresses of a stack that runs."""
    found = {}
    for name, kinds in KINDS.items():
        proxy = stack.proxies[name]
        dsn = stack.dsn(int(name[-1]), direct=True) if "postgres" in kinds else ""
        found[name] = Target(
            name=name,
            kinds=kinds,
            proxy=name,
            listen=proxy.listen,
            upstream=proxy.upstream,
            dsn=dsn,
        )
    return found
