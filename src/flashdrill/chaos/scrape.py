"""What a server counts itself, from its Prometheus metrics: proof that does not come from whoever made the fault."""

from __future__ import annotations

import asyncio
import re

from flashdrill.chaos.question import Question, ask
from flashdrill.chaos.target import Address

METRICS = Question("GET", "/metrics")
TIMEOUT_S = 1.0
POLL_S = 0.02


class CountError(LookupError):
    """A server tells no metrics."""


async def count(address: Address, series: str) -> float:
    """The value of a series, such as `orders_total{result="sold_out"}`; 0 when there is none yet. Raises CountError."""
    answer = await ask(address, METRICS, TIMEOUT_S)
    if not answer.is_answered or answer.status != 200:
        raise CountError(f"GET /metrics was not answered ({answer.status or answer.seen})")
    found = re.search(rf"^{re.escape(series)} (\S+)", answer.body.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def rise(
    address: Address, series: str, since: float, wanted: float, within_s: float
) -> float:
    """By how much a series has risen, as soon as that is `wanted`, or after so long. Raises CountError."""
    now = asyncio.get_running_loop().time
    deadline = now() + within_s
    while True:
        risen = await count(address, series) - since
        if risen >= wanted or now() >= deadline:
            return risen
        await asyncio.sleep(POLL_S)
