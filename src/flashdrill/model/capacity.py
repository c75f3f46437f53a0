"""How much can be sent, and how much the service can take: the typed source of `capacity` in `summary.json`."""

from __future__ import annotations

from dataclasses import dataclass

from flashdrill.model.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found; None where nothing was looked for. `peak_per_s` is the schedule's busiest rate of arrivals."""

    generator: Calibration | None = None
    peak_per_s: float = 0.0

    @property
    def is_beyond_generator(self) -> bool:
        """Whether the schedule asks for more than can be sent: each arrival is an operation at least."""
        return self.generator is not None and self.peak_per_s > self.generator.operations_per_s
