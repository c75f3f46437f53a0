"""How a recording's rate went, drawn on few columns without hiding a spike: each has its busiest second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from flashdrill.model.traffic import Offsets

STRETCHES_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
"""How long a column may be; longer ones are whole days."""
DAY_S = 86_400
MOST_LABELS = 5


@dataclass(frozen=True, slots=True)
class Busiest:
    """The most arrivals in one second, and which second since the first arrival that was."""

    arrivals: int
    at_s: int


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The busiest second of each stretch of `stretch_s`, in arrivals: of all labels together, and of the busiest."""

    stretch_s: int
    total: tuple[int, ...]
    labels: Mapping[str, tuple[int, ...]]
    peak: Busiest


def rate_curve(
    offsets_ms: Mapping[str, Offsets], columns: int, most_labels: int = MOST_LABELS
) -> RateCurve:
    """The curve of these arrivals (milliseconds since the first, ascending, by label) on at most so many columns."""
    counted = {label: _counted(offsets) for label, offsets in offsets_ms.items()}
    shown = busiest_labels(offsets_ms, most_labels)
    total = _together(counted.values())
    seconds = max(int(total.seconds[-1]) + 1, 1)
    stretch_s = stretch_for(seconds, columns)
    length = -(-seconds // stretch_s)
    busiest = int(total.arrivals.argmax())
    return RateCurve(
        stretch_s,
        total.highest(stretch_s, length),
        {label: counted[label].highest(stretch_s, length) for label in shown},
        Busiest(int(total.arrivals[busiest]), int(total.seconds[busiest])),
    )


def busiest_labels(offsets_ms: Mapping[str, Offsets], most: int = MOST_LABELS) -> list[str]:
    """Those with the most arrivals, the first of them first."""
    return sorted(offsets_ms, key=lambda label: -len(offsets_ms[label]))[:most]


def stretch_for(seconds: int, columns: int) -> int:
    """The shortest usual stretch of which so many columns are enough."""
    fitting = (s for s in STRETCHES_S if -(-seconds // s) <= columns)
    return next(fitting, -(-seconds // (columns * DAY_S)) * DAY_S)


@dataclass(frozen=True, slots=True)
class _Seconds:
    """How many came in each second in which anybody came; a recording may be silent for years."""

    seconds: np.ndarray
    arrivals: np.ndarray

    def highest(self, stretch_s: int, length: int) -> tuple[int, ...]:
        import numpy as np  # noqa: PLC0415  (slow to import, and not needed by every command)

        found = np.zeros(length, dtype=np.int64)
        np.maximum.at(found, self.seconds // stretch_s, self.arrivals)
        return tuple(found.tolist())


def _counted(offsets_ms: Sequence[float]) -> _Seconds:
    import numpy as np  # noqa: PLC0415

    seconds = (np.asarray(offsets_ms) // 1000).astype(np.int64)
    return _Seconds(*np.unique(seconds, return_counts=True))


def _together(parts: Iterable[_Seconds]) -> _Seconds:
    import numpy as np  # noqa: PLC0415

    known = list(parts)
    every = np.concatenate([part.seconds for part in known])
    seconds, places = np.unique(every, return_inverse=True)
    arrivals = np.zeros(len(seconds), dtype=np.int64)
    np.add.at(arrivals, places, np.concatenate([part.arrivals for part in known]))
    return _Seconds(seconds, arrivals)
