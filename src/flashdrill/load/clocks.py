"""How far two machines' wall clocks are apart, and how well that can be known from questions and answers.

    master  asked ─────────────┐           ┌── heard
    worker                     └── told ───┘

The worker looked at its clock somewhere between asked and heard. The middle is the best guess, and half the way there
and back the error (Cristian, Probabilistic clock synchronization, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """Another machine's wall clock is `ahead_ns` ahead of ours, give or take `error_ns`."""

    ahead_ns: int = 0
    error_ns: int = 0

    @property
    def correction_ns(self) -> int:
        """What to add to a time of ours for the other clock: 0 when the difference is less than its own error."""
        return self.ahead_ns if abs(self.ahead_ns) > self.error_ns else 0

    def __str__(self) -> str:
        return (
            f"clock {self.ahead_ns / 1e6:+.1f} ms ± {self.error_ns / 1e6:.1f} ms from the master's"
        )


SAME = Reading()
"""One clock."""


class Readings:
    """The last few readings of one clock.

    Until the start the worst of them goes first, not the oldest: who imports a locustfile answers late, and how far
    the clocks drift meanwhile is seen by later readings.
    """

    def __init__(self, most: int) -> None:
        self._most, self._readings = most, list[Reading]()

    def take(self, new: Reading, *, has_begun: bool) -> None:
        """One more."""
        self._readings.append(new)
        if len(self._readings) > self._most:
            kept = self._readings
            kept.remove(kept[0] if has_begun else max(kept, key=lambda read: read.error_ns))

    @property
    def is_full(self) -> bool:
        """Whether there are as many as are kept."""
        return len(self._readings) == self._most

    @property
    def best(self) -> Reading:
        """The one with the smallest error."""
        return min(self._readings, key=lambda read: read.error_ns)


def reading(*, asked_ns: int, told_ns: int, heard_ns: int) -> Reading:
    """What one question says. All are wall-clock times: `asked_ns` and `heard_ns` of ours, `told_ns` of the other."""
    return Reading(told_ns - (asked_ns + heard_ns) // 2, (heard_ns - asked_ns + 1) // 2)
