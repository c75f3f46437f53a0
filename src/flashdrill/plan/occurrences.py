"""The faults that the lines of a plan stand for: a line that repeats, or that breaks several targets, is more than one.

repeat: 3             cut-1, cut-2, cut-3
choose: 2             cut-1, cut-2: at the same time, alike, on two of its targets
both                  cut-1-1, cut-1-2, cut-2-1 …
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flashdrill.plan.table import Entry


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One fault of a line. What the faults of one repetition have in common is drawn under the name `event`."""

    id: str
    line: Entry
    event: str
    repetition: int = 0  # from 0
    choice: int = 0  # which of the chosen targets, from 0
    before: str = ""  # a fault of the repetition before

    @property
    def shift_s(self) -> float:
        """How long after the line's first repetition."""
        return self.repetition * float(self.line["every"] or 0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """What others may call it: the first fault of a repetition stands for it, the first of all for the line."""
        is_first_of_all = not self.repetition and not self.choice
        names = [self.id, *([] if self.choice else [self.event])]
        return tuple(dict.fromkeys([*names, *([self.line["id"]] if is_first_of_all else [])]))


def occurrences(lines: Sequence[Entry]) -> list[Occurrence]:
    """The faults of every line, in their order."""
    return [occurrence for line in lines for occurrence in _of(line)]


def _of(line: Entry) -> Iterator[Occurrence]:
    before = ""
    for repetition, event in enumerate(events(line)):
        ids = _numbered(event, chosen(line))
        for choice, name in enumerate(ids):
            yield Occurrence(name, line, event, repetition, choice, before)
        before = ids[0]


def events(line: Entry) -> list[str]:
    """The names of its repetitions."""
    return _numbered(line["id"], line["repeat"] or 1)


def chosen(line: Entry) -> int:
    """How many targets it breaks at once."""
    return int(line["choose"] or 1)


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}-{number + 1}" for number in range(count)]
