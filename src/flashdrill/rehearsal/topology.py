"""The reference stack as a fault plan sees it: the names that can be broken."""

from __future__ import annotations

from flashdrill.chaos.target import Target
from flashdrill.stack.embedded import Stack

SHARDS = 4
KINDS: dict[str, frozenset[str]] = {
    **{f"shard{number}": frozenset({"postgres"}) for number in range(SHARDS)},
    "redis": frozenset({"redis"}),
    "backend": frozenset({"http", "process"}),
    "payment": frozenset({"http"}),
}


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
