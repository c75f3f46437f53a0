"""The reference stack as a fault plan sees it: the names that can be broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from flashdrill.chaos.fault import Fault
from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.plan.faults import check_plan
from flashdrill.plan.known import known_faults
from flashdrill.stack.provisions import NOTHING, Provisions
from flashdrill.stack.services import SHARDS, proxies
from flashdrill.stack.stack import ProxyAddress

__all__ = ["SHARDS", "Breakable", "provisions", "provisions_of", "target_names", "targets"]

KINDS: dict[str, frozenset[str]] = {proxy.name: proxy.kinds for proxy in proxies()}


class Breakable(ProcessControl, Protocol):
    """A stack as faults need it: one of our own, or one that is up."""

    @property
    def proxies(self) -> Mapping[str, ProxyAddress]:
        """By name."""
        ...

    @property
    def toxiproxy_url(self) -> str:
        """Toxiproxy's HTTP API."""
        ...

    @property
    def edge_url(self) -> str:
        """The edge's control API; empty when there is no edge."""
        ...

    @property
    def log_dir(self) -> Path:
        """Where logs go."""
        ...

    @property
    def queue_dir(self) -> Path:
        """The service's queue."""
        ...

    @property
    def has_volume(self) -> bool:
        """Whether that is a file system of its own."""
        ...

    @property
    def clock_file(self) -> Path | None:
        """What the service's clock is set by."""
        ...

    @property
    def settings_path(self) -> Path:
        """The service's settings file."""
        ...

    def dsn(self, shard: int, direct: bool = True) -> str:
        """How to connect to a shard, past its proxy or through it."""
        ...


def target_names() -> dict[str, frozenset[str]]:
    """The targets of the reference stack, and what kind of thing each is."""
    return dict(KINDS)


def targets(stack: Breakable) -> dict[str, Target]:
    """The targets with the addresses of a stack that runs."""
    return {name: _target(name, kinds, stack) for name, kinds in KINDS.items()}


def _target(name: str, kinds: frozenset[str], stack: Breakable) -> Target:
    proxy = stack.proxies[name]
    is_service = name == "backend"
    return Target(
        name=name,
        kinds=kinds,
        proxy=proxy.there,
        listen=proxy.entrance,
        upstream=proxy.upstream,
        dsn=stack.dsn(int(name[-1]), direct=True) if "postgres" in kinds else "",
        way=name if proxy.edge is not None else "",
        folder=stack.queue_dir if is_service and stack.has_volume else None,
        clock_file=stack.clock_file if is_service else None,
        settings_file=stack.settings_path if "http" in kinds else None,
    )


def provisions(plan: FaultPlan, kinds: Mapping[str, type[Fault]]) -> Provisions:
    """What a stack must have for the faults of a plan. Raises ConfigError for one that this machine cannot do."""
    wanted = NOTHING
    for planned in plan.faults:
        fault = kinds[planned.kind]
        if lacking := fault.missing():
            raise ConfigError(
                f"{planned.kind} cannot be done here: {lacking}", path=plan.path, line=planned.line
            )
        wanted |= _needs(fault, planned.target)
    return wanted


def provisions_of(plans: Iterable[Path]) -> Provisions:
    """What a stack must have for the plans in some files. Raises ConfigError with the line."""
    wanted, kinds = NOTHING, known_faults()
    for path in plans:
        for entry in check_plan(path, kinds)["faults"]:
            fault = kinds[entry["kind"]]
            if lacking := fault.missing():
                raise entry.at("kind").fail(f"{fault.kind} cannot be done here: {lacking}")
            wanted |= _needs(fault, *entry["target"])  # any of them may be drawn
    return wanted


def _needs(fault: type[Fault], *targets: str) -> Provisions:
    return Provisions(
        edges=frozenset(targets) if "edge" in fault.needs else frozenset(),
        has_clock="clock" in fault.needs,
        has_volume="volume" in fault.needs,
    )
