"""A plan's `blast_radius`: how much of the system its faults may touch at the same moment.

Faults with a planned start are held against it when the plan is read. One that the run starts is refused here only when
it goes beyond a limit wherever it starts; else the run decides, see `flashdrill.chaos.admission`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flashdrill.errors import ConfigError
from flashdrill.model.blast_radius import BlastRadius, Excess, Reach
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.plan.shapes import SHARE, Number
from flashdrill.plan.table import Entry, Field, Table

BLAST_RADIUS = Table(
    "a blast radius",
    {
        "connections": Field(SHARE, "share of a target's connections that a fault may touch"),
        "users": Field(SHARE, "share of the users that faults may touch at the same moment"),
        "shards": Field(Number(1, 1000), "how many shards may be broken at the same moment"),
        "at_once": Field(Number(1, 1000), "how many faults may be in force at the same moment"),
    },
)
_ROUNDING_S = 1e-6
_LOWER = {
    "connections": "give the fault a smaller `toxicity` or `share`",
    "users": "break fewer shards at the same moment, or give the fault a smaller share of `users`",
    "shards": "let it start when the others are over",
    "at_once": "let it start when another is over",
}


def limits(entry: Entry, reaches: Mapping[str, Reach]) -> BlastRadius:
    """The limits that are written in a plan."""
    return BlastRadius(**entry.values, line=entry.node.line, reaches=reaches)


def reach(parameters: Mapping[str, object], target: str, targets: Collection[str]) -> Reach:
    """What a fault with such parameters can touch.

    The users of a shard are 1 / number of shards; everything else is on a way that all users take, unless the fault
    picks a share of the `users`. A share of the requests may be anybody's.
    """
    shares = [parameters.get(key) for key in ("toxicity", "share")]
    connections = min((float(v) for v in shares if isinstance(v, int | float)), default=1.0)
    shards = [name for name in targets if is_shard(name, targets)]
    if target in shards:
        return Reach(connections, 1 / len(shards), target)
    users = parameters.get("users")
    return Reach(connections, float(users) if isinstance(users, int | float) else 1.0)


def is_shard(target: str, targets: Collection[str]) -> bool:
    """Whether a target is one of the databases: by its kind, or where no kinds are known by its name."""
    if isinstance(targets, Mapping):
        return "postgres" in targets[target]
    return target.startswith("shard")


def check_limits(plan: FaultPlan) -> None:
    """Raise ConfigError for a fault that goes beyond a limit of its plan."""
    for radius in plan.blast_radii:
        own = [fault for fault in plan.faults if fault.id in radius.reaches]
        for number, fault in enumerate(own):
            if fault.trigger:
                placed = list(_placed(fault, own, radius))
                if found := placed[0] if all(placed) else None:
                    raise _refused(plan, fault, radius, found, "whenever it starts")
                continue
            met = _in_force(fault.start_s, own[:number])
            if found := radius.excess([*met, fault.id]):
                also = f", with {', '.join(met)} in force" if met else ""
                raise _refused(plan, fault, radius, found, f"at {fault.start_s:g} s{also}")


def may_be_refused(plan: FaultPlan) -> Iterator[tuple[PlannedFault, Excess]]:
    """The faults that the run starts, and that would go beyond a limit if they started at a certain moment."""
    for radius in plan.blast_radii:
        own = [fault for fault in plan.faults if fault.id in radius.reaches]
        for fault in own:
            if found := next((e for e in _placed(fault, own, radius) if e), None):
                yield fault, found


def _placed(
    fault: PlannedFault, own: Sequence[PlannedFault], radius: BlastRadius
) -> Iterator[Excess | None]:
    """What a fault that the run starts goes beyond, at each of the moments that matter: the first and the last, and
    those between them at which it begins or ends with another."""
    if fault.trigger is None:
        return
    first_s, last_s = fault.trigger.after_s, fault.trigger.until_s
    timed = [other for other in own if other.trigger is None]
    bounds = {m for o in timed for m in (o.start_s - fault.duration_s, o.start_s, o.end_s)}
    for start_s in sorted({first_s, last_s, *(m for m in bounds if first_s <= m <= last_s)}):
        end_s = start_s + fault.duration_s - _ROUNDING_S
        moments = (start_s, *(o.start_s for o in timed if start_s < o.start_s < end_s))
        excesses = (radius.excess([fault.id, *_in_force(m, timed)]) for m in moments)
        yield next((excess for excess in excesses if excess), None)


def _in_force(moment_s: float, faults: Sequence[PlannedFault]) -> list[str]:
    """Those with a planned start that are in force at a moment."""
    return [
        fault.id
        for fault in faults
        if fault.trigger is None
        and fault.start_s <= moment_s + _ROUNDING_S
        and moment_s < fault.end_s - _ROUNDING_S
    ]


def _refused(
    plan: FaultPlan, fault: PlannedFault, radius: BlastRadius, excess: Excess, when: str
) -> ConfigError:
    chance = f" (as seed {plan.seeds[plan.name]} has it)" if fault.drawn else ""
    return ConfigError(
        f"fault {fault.id!r}, {fault.kind} on {fault.target}, {when}{chance}: that touches {excess.words} "
        f"(line {radius.line})",
        path=plan.path,
        line=fault.line,
        remedy=f"{_LOWER[excess.key]}, or raise blast_radius.{excess.key}",
    )
