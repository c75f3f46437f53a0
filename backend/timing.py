"""The Server-Timing of the request at hand: `q.<resource>` waited, `h.<resource>` held, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from backend.meters import Breakdown

BREAKDOWN: ContextVar[Breakdown | None] = ContextVar("breakdown", default=None)
"""Set by the edge for a sampled request; tasks made for the request inherit it."""


def header(breakdown: Mapping[str, float]) -> str:
    """The header's value, such as `q.pool.shard0;dur=0.12, h.pool.shard0;dur=1.93`."""
    return ", ".join(f"{name};dur={milliseconds:.2f}" for name, milliseconds in breakdown.items())
