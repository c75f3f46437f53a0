"""Resolves the moments of a plan, which may refer to stages and, in any order, to each other."""

from __future__ import annotations

from collections.abc import Sequence

from flashdrill.errors import ConfigError
from flashdrill.model.scenario import Stage
from flashdrill.plan.moments import Extent, Moment, Span
from flashdrill.plan.source import did_you_mean
from flashdrill.plan.table import Entry


class Timetable:
    """The faults of a plan by id, and the stages; `stages` None: any other name may be one."""

    def __init__(self, faults: Sequence[Entry], stages: Sequence[Stage] | None) -> None:
        self._faults: dict[str, Entry] = {}
        self._stages = None if stages is None else {s.name: s for s in stages}
        self._spans: dict[str, Span] = {}
        for fault in faults:
            self._add(fault)

    def span(self, fault: Entry) -> Span:
        """When the fault starts and how long it lasts. Raises ConfigError for a reference to nothing."""
        return self._resolve(fault, ())

    def check(self) -> None:
        """Raise ConfigError for faults that refer to each other in a circle."""
        for fault in self._faults.values():
            self._resolve(fault, ())

    def _add(self, fault: Entry) -> None:
        name = fault["id"]
        if name in self._faults:
            first = self._faults[name].node.line
            raise fault.at("id").fail(
                f"two faults have the id {name!r} (the first in line {first})"
            )
        if self._stages and name in self._stages:
            raise fault.at("id").fail(f"{name!r} is the name of a stage; a fault needs another")
        self._faults[name] = fault

    def _resolve(self, fault: Entry, above: tuple[str, ...]) -> Span:
        name: str = fault["id"]
        if name in above:
            circle = " -> ".join((*above[above.index(name) :], name))
            raise fault.at("at").fail(f"the faults wait for each other: {circle}")
        if name not in self._spans:
            moment: Moment = fault["at"]
            length: Extent = fault["for"]
            anchor = self._anchor(fault, moment.anchor, (*above, name))
            self._spans[name] = Span(moment.within(anchor), length.of(anchor.duration_s))
        return self._spans[name]

    def _anchor(self, fault: Entry, name: str, above: tuple[str, ...]) -> Span:
        if not name:
            return Span(0.0, self._run_s())
        if name in self._faults:
            return self._resolve(self._faults[name], above)
        if self._stages is None:
            return Span(0.0, 0.0)
        if name in self._stages:
            stage = self._stages[name]
            return Span(stage.start_s, stage.duration_s)
        raise self._nothing(fault, name)

    def _run_s(self) -> float:
        return max((stage.end_s for stage in (self._stages or {}).values()), default=0.0)

    def _nothing(self, fault: Entry, name: str) -> ConfigError:
        others = [other for other in self._faults if other != fault["id"]]
        stages = list(self._stages or {})
        faults = f"; the other faults are {', '.join(others)}" if others else ""
        return fault.at("at").fail(
            f"no stage or fault {name!r}{did_you_mean(name, [*stages, *others])}",
            remedy=f"the stages are {', '.join(stages)}{faults}",
        )
