"""How far a climb has come: what the run knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from flashdrill.model.capacity import Ended
from flashdrill.model.scenario import Stage


@dataclass(frozen=True, slots=True)
class Ordered:
    """A step that was ordered; the last of its stages is the one that counts."""

    rate_per_s: float
    stages: tuple[Stage, ...]
    is_extra: bool = False

    @property
    def hold(self) -> Stage:
        """The stage that counts."""
        return self.stages[-1]

    @property
    def end_s(self) -> float:
        """When it is over, seconds since the run's start."""
        return self.hold.end_s


@dataclass(slots=True)
class Climbed:
    """The steps in the order in which they were ordered; `ended` None: it did not come to its end."""

    steps: list[Ordered] = field(default_factory=list)
    ended: Ended | None = None
