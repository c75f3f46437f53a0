"""Resolves the moments of a plan, which may refer to stages and, in any order, to each other.

What is drawn by chance is resolved at one *place* of its bounds, from 0 (earliest, shortest) to 1: with the place that
chance gives, or with 0 and 1 for everything, to see how far it can go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from flashdrill.errors import ConfigError
from flashdrill.model.faults import Trigger
from flashdrill.model.scenario import Stage
from flashdrill.plan.moments import Moment, Span
from flashdrill.plan.occurrences import Occurrence
from flashdrill.plan.source import did_you_mean

DEEPEST = 100
"""Faults tied to one another that may stand in the file before the ones that they are tied to."""
Place: TypeAlias = Callable[[str, str], float]
"""Where between its bounds something is: of a fault's name and the key under which it is written."""


def earliest(_event: str, _key: str) -> float:
    """The first place."""
    return 0.0


def latest(_event: str, _key: str) -> float:
    """The last place."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """When a fault lasts; with a trigger, `start_s` is the earliest. `anchor_s` is how long its anchor lasts."""

    start_s: float
    duration_s: float
    anchor_s: float
    trigger: Trigger | None = None

    @property
    def latest_end_s(self) -> float:
        """When it is over, however late the run lets it start."""
        start_s = self.start_s if self.trigger is None else self.trigger.until_s
        return start_s + self.duration_s


class Timetable:
    """The faults of a plan by name, and the stages; `stages` None: any other name may be one."""

    def __init__(
        self,
        faults: Sequence[Occurrence],
        stages: Sequence[Stage] | None,
        place: Place = earliest,
    ) -> None:
        self._faults: dict[str, Occurrence] = {}
        self._stages = None if stages is None else {s.name: s for s in stages}
        self._place = place
        self._slots: dict[str, Slot] = {}
        for fault in faults:
            self._add(fault)

    @property
    def run_s(self) -> float:
        """How long the stages last together."""
        return max((stage.end_s for stage in (self._stages or {}).values()), default=0.0)

    def slot(self, fault: Occurrence) -> Slot:
        """When the fault starts and how long it lasts. Raises ConfigError for a reference to nothing."""
        return self._resolve(fault, ())

    def _add(self, fault: Occurrence) -> None:
        for name in fault.names:
            if name in self._faults:
                first = self._faults[name].line.node.line
                raise fault.line.at("id").fail(
                    f"two faults have the id {name!r} (the first in line {first})"
                )
            if self._stages and name in self._stages:
                raise fault.line.at("id").fail(
                    f"{name!r} is the name of a stage; a fault needs another"
                )
            self._faults[name] = fault

    def _resolve(self, fault: Occurrence, above: tuple[str, ...]) -> Slot:
        if fault.id in above:
            circle = " -> ".join((*above[above.index(fault.id) :], fault.id))
            key = "at" if fault.line["at"] else "after"
            raise fault.line.at(key).fail(f"the faults wait for each other: {circle}")
        if len(above) == DEEPEST:
            raise fault.line.at("id").fail(
                f"{above[0]!r} is tied to {fault.id!r} by way of more than {DEEPEST - 1} faults",
                remedy="write each fault below the one that it is tied to",
            )
        if fault.id not in self._slots:
            resolve = self._timed if fault.line["at"] else self._conditional
            self._slots[fault.id] = resolve(fault, (*above, fault.id))
        return self._slots[fault.id]

    def _timed(self, fault: Occurrence, above: tuple[str, ...]) -> Slot:
        """At a moment; a fault tied to one that the run starts is started by the run, too."""
        span, leader = self._anchor(fault, "at", above)
        start_s = self._moment(fault, "at", span) + fault.shift_s
        trigger = None if leader is None else self._following(leader, start_s - span.start_s)
        return Slot(start_s, self._length_s(fault, span), span.duration_s, trigger)

    def _following(self, leader: Occurrence, offset_s: float) -> Trigger:
        ahead = self._slots[leader.id].trigger
        assert ahead is not None
        return Trigger(
            after_s=ahead.after_s + offset_s,
            until_s=ahead.until_s + offset_s,
            follows=leader.id,
            offset_s=offset_s,
            is_optional=ahead.is_optional,
        )

    def _conditional(self, fault: Occurrence, above: tuple[str, ...]) -> Slot:
        """When a condition comes true, in a window of the run."""
        span, leader = self._anchor(fault, "after", above)
        moment_s = self._moment(fault, "after", span)
        length_s = self._length_s(fault, span)
        trigger = Trigger(
            after_s=moment_s + fault.shift_s,
            until_s=self._until_s(fault, length_s, above),
            condition=fault.line["when"],
            follows=fault.before or (leader.id if leader else ""),
            offset_s=moment_s - span.start_s if leader else 0.0,
            is_optional=bool(fault.line["optional"]),
        )
        if fault.before:
            trigger = replace(trigger, offset_s=float(fault.line["every"]))
        return Slot(trigger.after_s, length_s, span.duration_s, trigger)

    def _until_s(self, fault: Occurrence, length_s: float, above: tuple[str, ...]) -> float:
        """As it is written, or the latest start that fits into the run."""
        if fault.line["until"] is None:
            return self.run_s - length_s
        span, leader = self._anchor(fault, "until", above)
        if leader is not None:
            raise fault.line.at("until").fail(
                f"when {leader.id!r} starts is decided in the run: nothing can end with it",
                remedy="name a stage, or a fault with a planned start",
            )
        return self._moment(fault, "until", span)

    def _moment(self, fault: Occurrence, key: str, span: Span) -> float:
        moment: Moment | None = fault.line[key]
        return moment.within(span, self._place(fault.event, key)) if moment else span.start_s

    def _length_s(self, fault: Occurrence, span: Span) -> float:
        length_s: float = fault.line["for"].of(span.duration_s, self._place(fault.event, "for"))
        return length_s

    def _anchor(
        self, fault: Occurrence, key: str, above: tuple[str, ...]
    ) -> tuple[Span, Occurrence | None]:
        """What the moment under a key is tied to, and the fault that it is when the run decides its start."""
        moment: Moment | None = fault.line[key]
        name = moment.anchor if moment else ""
        if not name:
            return Span(0.0, self.run_s), None
        if name in self._faults:
            other = self._faults[name]
            slot = self._resolve(other, above)
            return Span(slot.start_s, slot.duration_s), other if slot.trigger else None
        if self._stages is None:
            return Span(0.0, 0.0), None
        if name in self._stages:
            stage = self._stages[name]
            return Span(stage.start_s, stage.duration_s), None
        raise self._nothing(fault, key, name)

    def _nothing(self, fault: Occurrence, key: str, name: str) -> ConfigError:
        others = [other for other in self._faults if other not in fault.names]
        stages = list(self._stages or {})
        faults = f"; the other faults are {', '.join(others)}" if others else ""
        return fault.line.at(key).fail(
            f"no stage or fault {name!r}{did_you_mean(name, [*stages, *others])}",
            remedy=f"the stages are {', '.join(stages)}{faults}",
        )
