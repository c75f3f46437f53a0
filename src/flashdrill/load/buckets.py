"""Response times in fixed logarithmic buckets: a second of any size is a few dozen numbers, and seconds add up.

64 buckets for each doubling: a time is known to 0.8 %, however short. Buckets of several processes add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

_BITS = 6  # 2**6 buckets for each doubling
_LEAST_NS = 1 << (_BITS + 1)


def bucket(time_ns: int) -> int:
    """The number of the bucket of a time; longer times have higher numbers."""
    if time_ns < _LEAST_NS:
        return max(0, time_ns)
    shift = time_ns.bit_length() - _BITS - 1
    return (shift << _BITS) + (time_ns >> shift)


def middle_s(number: int) -> float:
    """The middle of a bucket, seconds."""
    shift = max(0, (number >> _BITS) - 1)
    low_ns = (number - (shift << _BITS)) << shift
    return (low_ns + (1 << shift) / 2) / 1e9


def quantile_s(counts: Mapping[int, int], share: float) -> float | None:
    """The nearest-rank percentile of the times that were counted, seconds; None without any."""
    rank = max(1, math.ceil(share * sum(counts.values())))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return middle_s(number)
    return None
