"""How the service is, by its newest sample: for whoever looks on while the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flashdrill.observe.samples import SampleTable
from flashdrill.rehearsal.watcher import ServiceNow

BREAKER, LEVEL, QUEUE = "flashdrill_breaker_state", "flashdrill_level", "flashdrill_queue_depth"
_T = TypeVar("_T")
STATES = ("closed", "half-open", "open")
"""The position of a state is its number in the metric."""


def service_now(samples: SampleTable, now_ns: int) -> ServiceNow:
    """What the service said last, and how old that is at `now_ns` (CLOCK_MONOTONIC)."""
    newest = [s.t_mono_ns for metric in (BREAKER, LEVEL, QUEUE) for s in samples.newest(metric)]
    return ServiceNow(
        breakers=_by(samples, BREAKER, "target", _state),
        levels=_by(samples, LEVEL, "shard", int),
        queues=_by(samples, QUEUE, "shard", int),
        age_s=(now_ns - max(newest)) / 1e9 if newest else None,
    )


def _by(
    samples: SampleTable, metric: str, label: str, read: Callable[[float], _T]
) -> dict[str, _T]:
    found = {s.labels.get(label, ""): read(s.value) for s in samples.newest(metric)}
    return dict(sorted(found.items()))


def _state(value: float) -> str:
    number = int(value)
    return STATES[number] if 0 <= number < len(STATES) else f"state {number}"
