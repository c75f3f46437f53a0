"""What a fault is done to: a target, or some of several, drawn by chance.

target: shard1
target: [shard0, shard1, shard2]       one of them; `choose: 2` takes two
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from flashdrill.plan.fault_kinds import FaultKind
from flashdrill.plan.moments import Moment
from flashdrill.plan.occurrences import chosen, events
from flashdrill.plan.source import did_you_mean
from flashdrill.plan.table import Entry
from flashdrill.plan.timetable import Slot

Sample: TypeAlias = Callable[[Sequence[str], int, str], Sequence[str]]
"""So many of these, drawn for an event."""
_ROUNDING_S = 1e-6
NO_TARGETS = (
    "a service of your own has no targets but its adopted proxies: --toxiproxy URL --adopt NAME=KIND, and the plan "
    "says adopted/NAME"
)


def check_targets(
    lines: Sequence[Entry], catalogue: Mapping[str, FaultKind], targets: Collection[str]
) -> None:
    """Raise ConfigError for one that is not there, or that the kind cannot be done to."""
    for line in lines:
        kind = catalogue[line["kind"]]
        for name in line["target"]:
            if name not in targets:
                raise line.at("target").fail(
                    f"no target {name!r}{did_you_mean(name, targets)}",
                    remedy=f"there are {', '.join(sorted(targets))}" if targets else NO_TARGETS,
                )
            if isinstance(targets, Mapping) and not kind.target_kinds & frozenset(targets[name]):
                fitting = [t for t in sorted(targets) if kind.target_kinds & frozenset(targets[t])]
                raise line.at("target").fail(
                    f"{line['kind']} cannot be done to {name!r}",
                    remedy=f"it can be done to {', '.join(fitting) or 'nothing here'}",
                )


def victims(line: Entry, widest: Slot, sample: Sample) -> dict[str, Sequence[str]]:
    """The targets of each repetition: never one on which a repetition before it may still be in force.

    `widest` is the line's slot with everything as long as chance can make it.
    """
    found: dict[str, Sequence[str]] = {}
    before = overlapping(line, widest)
    for event in events(line):
        busy = {name for earlier in list(found)[-before:] for name in found[earlier] if before}
        free = [name for name in line["target"] if name not in busy]
        found[event] = free if len(free) == chosen(line) else sample(free, chosen(line), event)
    return found


def is_drawn(line: Entry) -> bool:
    """Whether chance has a say in what is broken."""
    return len(line["target"]) > chosen(line)


def overlapping(line: Entry, widest: Slot) -> int:
    """How many repetitions before one may still last when it begins, wherever chance puts them."""
    if not line["repeat"]:
        return 0
    reach_s = widest.duration_s + _spread_s(line, widest) - _ROUNDING_S
    most: int = line["repeat"] - 1
    before: int = math.ceil(reach_s / line["every"]) - 1
    return max(0, min(most, before))


def check_room(line: Entry, widest: Slot) -> None:
    """Raise ConfigError when the repetitions of a line would overlap on a target."""
    before, names, count = overlapping(line, widest), line["target"], chosen(line)
    if (before + 1) * count <= len(names):
        return
    spread_s = _spread_s(line, widest)
    if len(names) == 1:
        later = f", may start up to {spread_s:g} s later than the one before," if spread_s else ""
        raise line.at("every").fail(
            f"fault {line['id']!r} is repeated every {line['every']:g} s{later} and lasts up to "
            f"{widest.duration_s:g} s: it would overlap itself on {names[0]}",
            remedy=f"let `every` be at least {widest.duration_s + spread_s:g}s, or `for` shorter",
        )
    raise line.at("every").fail(
        f"up to {before + 1} repetitions of fault {line['id']!r} overlap; with {count} of its targets each they "
        f"take {(before + 1) * count}, and there are {len(names)}: it would overlap itself",
        remedy="let `every` be longer, `for` shorter, or name more targets",
    )


def _spread_s(line: Entry, widest: Slot) -> float:
    """By how much chance may bring two repetitions nearer to each other."""
    moment: Moment | None = line["at"]
    return moment.spread_s(widest.anchor_s) if moment else 0.0
