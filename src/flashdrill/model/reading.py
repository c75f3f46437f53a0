"""How a recording was read: what it was taken for, and which of its lines were of no use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SHOWN_LINES = 3


@dataclass(slots=True)
class Lines:
    """How many lines there were of one sort, and the numbers of the first few."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def take(self, line: int) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < SHOWN_LINES:
            self.first.append(line)


@dataclass(frozen=True, slots=True)
class Reading:
    """The form, such as `CSV with ;`, and the encoding, empty when unknown; lines of no use, by reason.

    `unit` is what is counted as `lines`, in the plural. `notes` are sentences on what is odd in the file.
    """

    form: str = ""
    encoding: str = ""
    lines: int = 0
    skipped: Mapping[str, Lines] = field(default_factory=dict)
    damaged: Mapping[str, Lines] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: str = "lines"
