"""From the lines of a plan to faults with times, targets and values: everything resolved, everything drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flashdrill.model import chance
from flashdrill.model.faults import PlannedFault, Trigger
from flashdrill.model.scenario import Stage
from flashdrill.plan.fault_kinds import COMMON
from flashdrill.plan.occurrences import Occurrence, occurrences
from flashdrill.plan.ranges import Range
from flashdrill.plan.table import Entry
from flashdrill.plan.targets import check_room, is_drawn, victims
from flashdrill.plan.timetable import Place, Slot, Timetable, earliest, latest

_ROUNDING_S = 1e-6


class Draft:
    """The faults of some lines. `stages` None: only what can be known without them; then nothing is drawn.

    Raises ConfigError for names that clash; its methods for what does not fit, whatever chance brings.
    """

    def __init__(self, lines: Sequence[Entry], stages: Sequence[Stage] | None, seed: int) -> None:
        self._lines = lines
        self._seed = seed
        self._faults = occurrences(lines)
        self._by_id = {fault.id: fault for fault in self._faults}
        self._drawn = Timetable(self._faults, stages, self._place)
        self._earliest = Timetable(self._faults, stages, earliest)
        self._latest = Timetable(self._faults, stages, latest)

    def check(self) -> None:
        """Raise ConfigError for circles, and for repetitions that overlap themselves."""
        for fault in self._faults:
            self._latest.slot(fault)
            if not fault.repetition:
                check_room(fault.line, self._latest.slot(fault))

    def faults(self) -> Iterator[PlannedFault]:
        """The faults, in the order of the lines."""
        self.check()
        broken: dict[str, Sequence[str]] = {}
        for fault in self._faults:
            self._check_time(fault)
            if fault.event not in broken:
                broken |= victims(fault.line, self._latest.slot(fault), self._sample)
            yield self._planned(fault, broken[fault.event][fault.choice])

    def widest(self, name: str) -> Mapping[str, Any]:
        """The parameters of a fault, each as large as chance can make it."""
        return _parameters(self._by_id[name], latest)

    def _place(self, event: str, key: str) -> float:
        return chance.place(self._seed, event, key)

    def _sample(self, names: Sequence[str], count: int, event: str) -> Sequence[str]:
        return chance.sample(self._seed, names, count, event, "target")

    def _planned(self, fault: Occurrence, target: str) -> PlannedFault:
        slot = self._drawn.slot(fault)
        parameters = _parameters(fault, self._place)
        return PlannedFault(
            id=fault.id,
            kind=fault.line["kind"],
            target=target,
            start_s=max(0.0, slot.start_s),
            duration_s=slot.duration_s,
            parameters=parameters,
            line=fault.line.node.line,
            trigger=slot.trigger,
            drawn=_drawn(fault, target, slot, parameters),
            seed=chance.derived(self._seed, fault.id),
        )

    def _check_time(self, fault: Occurrence) -> None:
        """Raise ConfigError when it could lie outside of the run."""
        first, last = self._earliest.slot(fault), self._latest.slot(fault)
        key = "at" if fault.line["at"] else "after"
        if first.trigger and first.trigger.follows and first.trigger.offset_s < -_ROUNDING_S:
            raise fault.line.at(key).fail(
                f"when {first.trigger.follows!r} starts is decided in the run: nothing can come before it"
            )
        if first.start_s < -_ROUNDING_S:
            may = "may start" if first != last else "starts"
            raise fault.line.at(key).fail(f"{may} {-first.start_s:g} s before the run does")
        if last.trigger is None:
            self._check_end(fault, first, last)
        else:
            self._check_fit(fault, last, last.trigger)
            self._check_window(fault, last.trigger)
            self._check_window(fault, self._drawn.slot(fault).trigger)

    def _check_end(self, fault: Occurrence, first: Slot, last: Slot) -> None:
        if last.latest_end_s > self._latest.run_s + _ROUNDING_S:
            ends = "may end" if first != last else "ends"
            raise fault.line.at("at").fail(
                f"fault {fault.id!r} {ends} at {last.latest_end_s:g} s, {self._after_the_end}",
                remedy=f"let it start earlier or last shorter{_or_less_often(fault)}",
            )

    def _check_fit(self, fault: Occurrence, last: Slot, trigger: Trigger) -> None:
        """A fault that the run starts must be over with the run, however late it starts."""
        if last.latest_end_s > self._latest.run_s + _ROUNDING_S:
            since = (
                f", when {trigger.follows!r} starts as late as it may" if fault.line["at"] else ""
            )
            raise fault.line.at("at" if since else "until").fail(
                f"fault {fault.id!r} may end at {last.latest_end_s:g} s, {self._after_the_end}{since}",
                remedy=f"give {trigger.follows!r} an earlier `until`"
                if since
                else "let `until` be earlier",
            )

    def _check_window(self, fault: Occurrence, trigger: Trigger | None) -> None:
        """It must have a moment to start at: when its condition is looked at, and can have held for so long."""
        if trigger is None:
            return
        held_s = trigger.condition.for_s if trigger.condition else 0.0
        first_s = max(trigger.after_s, held_s)
        if trigger.until_s < first_s - _ROUNDING_S:
            key = "when" if first_s > trigger.after_s else "until"
            chance = f" (as seed {self._seed} has it)" if _window_is_drawn(fault) else ""
            raise fault.line.at(key).fail(
                f"fault {fault.id!r} has no moment to start at{chance}: not before {first_s:g} s, and not after "
                f"{trigger.until_s:g} s",
                remedy="let `after` be earlier, `until` later, or the fault last shorter"
                + _or_less_often(fault),
            )

    @property
    def _after_the_end(self) -> str:
        return f"after the run's end at {self._latest.run_s:g} s"


def _window_is_drawn(fault: Occurrence) -> bool:
    return any(fault.line[key] and fault.line[key].is_drawn for key in ("after", "until"))


def _or_less_often(fault: Occurrence) -> str:
    return ", or repeat it less often" if fault.line["repeat"] else ""


def _parameters(fault: Occurrence, place: Place) -> dict[str, Any]:
    return {
        key: value.at(place(fault.event, key)) if isinstance(value, Range) else value
        for key, value in fault.line.values.items()
        if key not in COMMON
    }


def _drawn(
    fault: Occurrence, target: str, slot: Slot, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """What chance gave, under the plan's keys."""
    line = fault.line
    found: dict[str, Any] = {}
    if is_drawn(line):
        found["target"] = target
    if line["at"] and line["at"].is_drawn:
        found["at"] = slot.trigger.offset_s if slot.trigger else slot.start_s
    if slot.trigger:
        times = {"after": slot.trigger.after_s, "until": slot.trigger.until_s}
        found |= {key: times[key] for key in times if line[key] and line[key].is_drawn}
    if line["for"].most is not None:
        found["for"] = slot.duration_s
    return found | {key: parameters[key] for key in parameters if isinstance(line[key], Range)}
