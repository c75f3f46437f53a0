"""Exact percentiles: each is a value that was measured, none is interpolated or averaged."""

from __future__ import annotations

import numpy as np

from flashdrill.analysis.columns import Floats
from flashdrill.model.result import Percentiles


def quantile(values: Floats, share: float) -> float | None:
    """The nearest-rank quantile (Hyndman and Fan 1996, definition 1): the least value that at least
    `share` of all do not exceed. None without values."""
    if len(values) == 0:
        return None
    return float(np.quantile(values, share, method="inverted_cdf"))


def percentiles(values_s: Floats) -> Percentiles:
    """The usual percentiles of times in seconds; None without samples."""
    return Percentiles(
        count=len(values_s),
        p50=quantile(values_s, 0.50),
        p95=quantile(values_s, 0.95),
        p99=quantile(values_s, 0.99),
        max=quantile(values_s, 1.0),
    )
