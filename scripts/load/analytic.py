"""What response times a stall must give: the answer that a measurement is compared with.

A service that answers in b seconds receives arrivals at a rate λ for T seconds, and stands still for S of them. Who is
due u seconds into the stall waits for its end, and then b more; whoever is due at another time waits b:

    R(u) = S - u + b    for 0 <= u < S        R = b    otherwise

Arrivals do not depend on the service, so a due time is uniform over the T seconds, of evenly spaced arrivals and of
Poisson arrivals alike. The chance of a response over r is that of being due in the first S + b - r seconds of it:

    P(R > r) = (S + b - r) / T    for b <= r <= S + b

Its quantile for a share p is where that is 1 - p:

    r(p) = S + b - (1 - p)·T    while (1 - p)·T < S, and b beyond

What is measured is the sample's own quantile. The k = (1 - p)·λ·T arrivals above it take k / λ seconds when they come
evenly. Of Poisson arrivals that length has a standard deviation of √k / λ, and of √(k·(2 - p)) / λ since the number of
all arrivals is drawn too: chance of the draw, and no error of who measures. `of_draw` has none: it takes the due times
that the schedule really has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flashdrill.analysis.columns import Floats
from flashdrill.analysis.percentiles import quantile


@dataclass(frozen=True, slots=True)
class Stall:
    """When the service stood still, seconds since the run's start, and what it takes for an answer otherwise."""

    start_s: float
    end_s: float
    base_s: float

    @property
    def length_s(self) -> float:
        """S."""
        return self.end_s - self.start_s

    def of_rate(self, share: float, run_s: float) -> float:
        """The quantile r(p) for arrivals at any constant rate over so long a run, seconds."""
        return max(self.base_s, self.length_s + self.base_s - (1 - share) * run_s)

    def of_draw(self, share: float, due_s: Floats) -> float:
        """The quantile for arrivals at exactly these times, seconds. Raises ValueError without any."""
        is_hit = (due_s >= self.start_s) & (due_s < self.end_s)
        found = quantile(np.where(is_hit, self.end_s - due_s, 0.0) + self.base_s, share)
        if found is None:
            raise ValueError("no arrivals")
        return found


def chance_of_draw(share: float, run_s: float, rate_per_s: float) -> float:
    """The standard deviation of the quantile r(p) over draws of Poisson arrivals, seconds."""
    above = (1 - share) * rate_per_s * run_s
    return math.sqrt(above * (2 - share)) / rate_per_s
