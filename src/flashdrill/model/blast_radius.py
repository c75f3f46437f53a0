"""How much of the system a plan's faults may touch at the same moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Reach:
    """What one fault can touch. `shard` is the shard that it breaks, empty when it breaks none.

    `connections` is the share of the connections, or of the requests, to its target; `users` the share of all users.
    """

    connections: float
    users: float
    shard: str = ""


@dataclass(frozen=True, slots=True)
class Excess:
    """What goes beyond a limit: the limit's key in the plan, and all of it in words."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """The limits of one plan (None: no limit), its line, and the reach of the plan's own faults by id."""

    connections: float | None = None
    users: float | None = None
    shards: int | None = None
    at_once: int | None = None
    line: int = 0
    reaches: Mapping[str, Reach] = field(default_factory=dict)

    def excess(self, together: Collection[str]) -> Excess | None:
        """The first limit that these faults go beyond when they are in force at the same moment.

        Faults of other plans do not count.
        """
        own = {fault: self.reaches[fault] for fault in together if fault in self.reaches}
        return next(self._excesses(own), None)

    def _excesses(self, own: Mapping[str, Reach]) -> Iterator[Excess]:
        widest = max((reach.connections for reach in own.values()), default=0.0)
        if self.connections is not None and widest > self.connections + _ROUNDING:
            yield _beyond(
                "connections", f"{_percent(widest)} of a target's connections", self.connections
            )
        users = _users(own.values())
        if self.users is not None and users > self.users + _ROUNDING:
            yield _beyond("users", f"{_percent(users)} of the users", self.users)
        shards = sorted({reach.shard for reach in own.values() if reach.shard})
        if self.shards is not None and len(shards) > self.shards:
            what = f"{len(shards)} shards at once ({', '.join(shards)})"
            yield _beyond("shards", what, self.shards)
        if self.at_once is not None and len(own) > self.at_once:
            what = f"the system by {len(own)} faults at once ({', '.join(sorted(own))})"
            yield _beyond("at_once", what, self.at_once)


def _users(reaches: Collection[Reach]) -> float:
    """At most so many users: those of a shard once, whoever breaks it; others may be different ones each time."""
    by_shard = {reach.shard: reach.users for reach in reaches if reach.shard}
    others = sum(reach.users for reach in reaches if not reach.shard)
    return min(1.0, sum(by_shard.values()) + others)


def _beyond(key: str, what: str, limit: float) -> Excess:
    allowed = _percent(limit) if isinstance(limit, float) else str(limit)
    return Excess(key, f"{what}; blast_radius.{key} is {allowed}")


def _percent(share: float) -> str:
    """Exact enough to tell a share from its limit: 0.6% is not 1%."""
    return f"{100 * share:.4g}%"
