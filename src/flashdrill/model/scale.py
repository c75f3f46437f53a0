"""More arrivals, or fewer, on the curve of a recording.

With S(i) = round(i · scale), the i-th recorded arrival (from 0) becomes S(i + 1) − S(i) arrivals, so that n of them
become round(n · scale), and those of any stretch between two recorded times are within 1 of scale times as many. They
are spread evenly from its own time to the next one's: the inverse of the recording's cumulative curve, interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise


def scaled(times_ms: Sequence[float], scale: float, end_ms: float = math.inf) -> Iterator[float]:
    """`scale` times as many moments as these ascending ones; the very same ones for a scale of 1.

    The last recorded one, which has no next, is followed for the mean gap between them, and not beyond `end_ms`.
    """
    if scale == 1:
        yield from times_ms
        return
    places = enumerate(pairwise(chain(times_ms, [_close(times_ms, end_ms)])))
    for place, (start_ms, next_ms) in places:
        number = round((place + 1) * scale) - round(place * scale)
        for copy in range(number):
            yield start_ms + (next_ms - start_ms) * copy / number


def _close(times_ms: Sequence[float], end_ms: float) -> float:
    """Where the stretch of the last one ends."""
    if not times_ms:
        return 0.0
    last_ms = times_ms[-1]
    mean_gap_ms = (last_ms - times_ms[0]) / max(1, len(times_ms) - 1)
    return max(last_ms, min(last_ms + mean_gap_ms, end_ms))
