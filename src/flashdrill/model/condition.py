"""A condition on what the crowd meets, looked at second by second while the load runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Such as `rate(place_order) > 300/s for 3s`.

    `metric` is pNN or pNN.N or max (response time, s), `error_rate`, `refusal_rate` (shares), `rate` (ok per second);
    `limit` is in seconds, a share, or per second. It is true when it has held for `for_s` seconds on end.
    """

    text: str
    metric: str
    operation: str  # empty: every operation
    comparator: str  # <, <=, >, >=
    limit: float
    for_s: float = 0.0

    def is_met(self, value: float | None) -> bool:
        """Whether a value is as it asks; nothing measured is not."""
        return value is not None and COMPARE[self.comparator](value, self.limit)
