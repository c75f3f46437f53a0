"""Every figure that two runs both have, or one of them, with the difference between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from flashdrill.model.result import OperationStats, RunResult

WHOLE_RUN = ""
LEAST_BEYOND = 5
"""A percentile is thin when fewer operations than these lie beyond it."""
_BEYOND = {"response_p50": 0.5, "response_p95": 0.05, "response_p99": 0.01}
_SUFFIX = {"s": "_s", "per_s": "_per_s", "share": ""}
"""What a figure's name ends with, so that it says its unit; shares are from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both runs; None where a run has none.

    `of`: operation, gate, fault, stage, run. `stage` is empty for the whole run. The name says the unit (`_s`,
    `_per_s`; a share has none). `difference` is b - a, `relative` that as a share of a. `invalid_in` names the
    runs whose generator makes it worthless, `thin_in` those with too few operations for it: `a`, `b`, `ab` or nothing.
    """

    of: str
    stage: str
    subject: str
    name: str
    unit: str
    a: float | None
    b: float | None
    difference: float | None
    relative: float | None
    invalid_in: str = ""
    thin_in: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a figure belongs."""

    of: str
    stage: str
    subject: str


_Key: TypeAlias = tuple[_Place, str, str]
"""A place, a name without its unit, and the unit."""
_Measured: TypeAlias = Mapping[_Key, float | None]


def figures(a: RunResult, b: RunResult) -> tuple[Figure, ...]:
    """The figures: of operations (the whole run first, then stage by stage), of gates, faults, stages, the run."""
    in_a, in_b = dict(_measured(a)), dict(_measured(b))
    keys = sorted(dict.fromkeys([*in_a, *in_b]), key=_order(a, b))
    return tuple(
        replace(_figure(key, in_a, in_b), thin_in=_thin(key, a, b), invalid_in=_invalid(key, a, b))
        for key in keys
    )


def _figure(key: _Key, in_a: _Measured, in_b: _Measured) -> Figure:
    place, name, unit = key
    a, b = in_a.get(key), in_b.get(key)
    difference = None if a is None or b is None else b - a
    return Figure(
        of=place.of,
        stage=place.stage,
        subject=place.subject,
        name=name + _SUFFIX[unit],
        unit=unit,
        a=a,
        b=b,
        difference=difference,
        relative=difference / abs(a) if a and difference is not None else None,
    )


def _measured(run: RunResult) -> Iterator[tuple[_Key, float | None]]:
    """Everything that one run measured."""
    for operation in run.operations:
        place = _Place("operation", operation.stage, operation.kind)
        for name, unit, value in _of_operation(operation, _length_s(run, operation.stage)):
            yield (place, name, unit), value
    for gate in run.gates:
        stage = gate.text.rpartition(" during ")[2].strip() if " during " in gate.text else ""
        yield (_Place("gate", stage, gate.text), "measured", gate.unit), gate.value
    for fault in run.faults:
        place = _Place("fault", WHOLE_RUN, fault.id)
        yield (place, "detect", "s"), fault.detect_s
        yield (place, "recover", "s"), fault.recover_s
    for validity in run.validity:
        place = _Place("stage", validity.stage, "generator")
        yield (place, "lateness_p99", "s"), validity.lateness_p99_s
        yield (place, "busiest_process_cpu", "share"), validity.generator_cpu
    yield (_Place("run", WHOLE_RUN, "queues"), "drain", "s"), run.audit.get("drain_s")


def _of_operation(
    stats: OperationStats, length_s: float | None
) -> Iterator[tuple[str, str, float | None]]:
    yield "response_p50", "s", stats.response.p50
    yield "response_p95", "s", stats.response.p95
    yield "response_p99", "s", stats.response.p99
    yield "error_rate", "share", stats.error_rate
    yield "refusal_rate", "share", stats.refusal_rate
    yield "ok", "per_s", stats.ok / length_s if length_s else None


def _length_s(run: RunResult, stage: str) -> float | None:
    """How long a stage, or all of them, were to last."""
    lengths = [s["duration_s"] for s in run.stages if stage in (WHOLE_RUN, s["name"])]
    return sum(lengths) if lengths else None


def _order(a: RunResult, b: RunResult) -> _Order:
    names = [stage["name"] for stage in chain(a.stages, b.stages)]
    return _Order((WHOLE_RUN, *dict.fromkeys(names)))


@dataclass(frozen=True, slots=True)
class _Order:
    """Sorts by kind of figure, then by stage in the order of the run; else as measured (sorting is stable)."""

    stages: tuple[str, ...]

    def __call__(self, key: _Key) -> tuple[int, int]:
        place = key[0]
        if place.of != "operation":
            return ("gate", "fault", "stage", "run").index(place.of) + 1, 0
        known = place.stage in self.stages
        return 0, self.stages.index(place.stage) if known else len(self.stages)


def _invalid(key: _Key, a: RunResult, b: RunResult) -> str:
    """The runs in which the stage is invalid; the whole run is when any of its stages is."""
    place = key[0]
    if place.of not in {"operation", "gate"}:
        return ""
    return _named(
        a,
        b,
        lambda run: any(
            not v.is_valid for v in run.validity if place.stage in (WHOLE_RUN, v.stage)
        ),
    )


def _thin(key: _Key, a: RunResult, b: RunResult) -> str:
    """The runs that had too few operations of this kind for a percentile."""
    place, name, _ = key
    if place.of != "operation" or name not in _BEYOND:
        return ""
    return _named(
        a,
        b,
        lambda run: any(
            o.response.count * _BEYOND[name] < LEAST_BEYOND
            for o in run.operations
            if (o.stage, o.kind) == (place.stage, place.subject)
        ),
    )


def _named(a: RunResult, b: RunResult, is_so: Callable[[RunResult], bool]) -> str:
    return "".join(name for name, run in (("a", a), ("b", b)) if is_so(run))
