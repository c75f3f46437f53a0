"""What was different when two runs were made: the rehearsal itself, and the ground that it stood on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from flashdrill.report.kept import KeptRun

TEST, GROUND = "test", "ground"
ABSENT = "–"
LONGEST_LIST = 4

_PLACES = frozenset({"path", "locustfile", "line", "description", "chaos"})
"""Where things were written and what they were called; a plan is compared by what it does."""
_PASSING = frozenset({"free_disk_mb", "run_folder", "description", "note", "command"})
"""Facts of the environment that say nothing about what ran."""
_LABELS = ("id", "name", "sku", "text", "journey")
"""The key that tells the entries of a list apart."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that differs, in words. `about`: `test` (what was rehearsed) or `ground` (on what)."""

    about: str
    name: str
    a: str
    b: str


def conditions(a: KeptRun, b: KeptRun) -> tuple[Condition, ...]:
    """Everything that differs, the rehearsal first. Empty: the same rehearsal on the same ground."""
    return (
        *_different(TEST, _rehearsal(a), _rehearsal(b)),
        *_different(GROUND, _ground(a), _ground(b)),
    )


def _different(about: str, a: Mapping[str, object], b: Mapping[str, object]) -> Iterator[Condition]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name, ABSENT) != b.get(name, ABSENT):
            yield Condition(about, name, _words(a.get(name, ABSENT)), _words(b.get(name, ABSENT)))


def _rehearsal(run: KeptRun) -> dict[str, object]:
    """The scenario and the plan as they were run; without their files, what the result knows of them."""
    scenario = run.scenario
    if scenario is None:
        known = {"seed": run.result.seed, "stages": list(run.result.stages)}
        scenario = {**run.result.scenario, **known}
    plan = run.plan if run.plan is not None else dict(run.result.chaos)
    found = dict([*_flat(scenario, "scenario", _PLACES), *_flat(plan, "plan", _PLACES)])
    if customers := scenario.get("locustfile"):  # by its name: the folders of two machines differ
        found["scenario.locustfile"] = PurePath(str(customers)).name
    return found


def _ground(run: KeptRun) -> dict[str, object]:
    return dict(_flat(run.result.environment, "", _PASSING))


def _flat(value: Any, name: str, skipped: frozenset[str]) -> Iterator[tuple[str, object]]:
    """Single values by dotted names; the entries of a list by what they are called."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key not in skipped:
                yield from _flat(entry, f"{name}.{key}" if name else str(key), skipped)
    elif isinstance(value, list | tuple) and all(isinstance(entry, Mapping) for entry in value):
        for number, entry in enumerate(value, 1):
            yield from _flat(entry, f"{name}.{_label(entry, number)}", skipped)
    else:
        yield name, tuple(value) if isinstance(value, list) else value


def _label(entry: Mapping[str, Any], number: int) -> str:
    found = next((str(entry[key]) for key in _LABELS if entry.get(key)), "")
    return found or str(number)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        shown = ", ".join(map(str, value[:LONGEST_LIST]))
        more = len(value) - LONGEST_LIST
        return f"{shown} and {more} more" if more > 0 else shown or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value) if value not in ("", None) else "not set"
