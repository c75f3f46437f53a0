"""Resource meters: exact time integrals of who waits for a resource and who holds it.

    request ──waiting()──> pool ──holding()──> [ inner(): waits for something else ] ──> released

A counter's value is the integral up to the moment of the scrape, so that a long hold shows while it lasts and
not when it ends. Meters are written by the event loop and read by the metrics thread, without a lock: the
state is one tuple, replaced as a whole.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Breakdown = MutableMapping[str, float]
"""Milliseconds by `q.<resource>` (waited) and `h.<resource>` (held): one response's Server-Timing."""


class Metered(Protocol):
    """What a collector asks of a resource. Seconds are integrals up to now; counters never fall."""

    resource: str

    @property
    def capacity(self) -> float:
        """How many can hold it at once."""

    def hold_s(self) -> float:
        """Holder-seconds."""

    def wait_s(self) -> float:
        """Waiter-seconds."""

    def inner_wait_s(self) -> float:
        """Seconds of holds that went by waiting for another resource."""

    def uses(self) -> float:
        """Holds that have ended."""


class Stretch:
    """The time integral of how many are inside; entered with `with`, by as many at once as like.

    With n inside, `acc` is the sum of ends less the sum of starts, and the integral at t is acc + n·t: whole
    nanoseconds, so nothing is lost to rounding.
    """

    __slots__ = ("_monotonic_ns", "_state", "_told_ns", "ended")

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._state = (0, 0)
        self._told_ns = 0
        self.ended = 0

    def __enter__(self) -> None:
        inside, acc = self._state
        self._state = (inside + 1, acc - self._monotonic_ns())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        inside, acc = self._state
        self._state = (inside - 1, acc + self._monotonic_ns())
        self.ended += 1

    @property
    def inside(self) -> int:
        """How many are inside now."""
        return self._state[0]

    def seconds(self) -> float:
        """The integral up to now; may be called from any thread, and never falls.

        A reader that interrupts somebody's leaving counts that one until now, and waits for the truth to catch up.
        """
        while True:
            state = self._state
            now = self._monotonic_ns()
            if state is self._state:  # else somebody came or went between the two
                self._told_ns = max(self._told_ns, state[1] + state[0] * now)
                return self._told_ns / 1e9


class TimedStretch:
    """A stretch that also adds its own milliseconds to a response's breakdown."""

    __slots__ = ("_breakdown", "_key", "_started_ns", "_stretch")

    def __init__(self, stretch: Stretch, key: str, breakdown: Breakdown) -> None:
        self._stretch = stretch
        self._key = key
        self._breakdown = breakdown

    def __enter__(self) -> None:
        self._stretch.__enter__()
        self._started_ns = self._stretch._monotonic_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stretch.__exit__(kind, error, trace)
        elapsed_ms = (self._stretch._monotonic_ns() - self._started_ns) / 1e6
        self._breakdown[self._key] = self._breakdown.get(self._key, 0.0) + elapsed_ms


class Meter:
    """One resource: `with meter.waiting(): ...`, then `with meter.holding(): ...`, also around awaits.

    `inner()` is entered inside a hold for the time that it waits for another resource.
    """

    def __init__(
        self,
        resource: str,
        capacity: float,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.resource = resource
        self._capacity = float(capacity)
        self._wait = Stretch(monotonic_ns)
        self._hold = Stretch(monotonic_ns)
        self._inner = Stretch(monotonic_ns)

    def waiting(self, breakdown: Breakdown | None = None) -> Stretch | TimedStretch:
        """The time before the resource is had; with a breakdown also added to its `q.<resource>`."""
        if breakdown is None:
            return self._wait
        return TimedStretch(self._wait, f"q.{self.resource}", breakdown)

    def holding(self, breakdown: Breakdown | None = None) -> Stretch | TimedStretch:
        """The time until it is given back; with a breakdown also added to its `h.<resource>`."""
        if breakdown is None:
            return self._hold
        return TimedStretch(self._hold, f"h.{self.resource}", breakdown)

    def inner(self) -> Stretch:
        """The part of a hold that waits for another resource."""
        return self._inner

    @property
    def capacity(self) -> float:
        """How many can hold it at once."""
        return self._capacity

    def set_capacity(self, capacity: float) -> None:
        """Say how many can hold it at once from now on."""
        self._capacity = float(capacity)

    @property
    def holders(self) -> int:
        """How many hold it now."""
        return self._hold.inside

    @property
    def waiters(self) -> int:
        """How many wait for it now."""
        return self._wait.inside

    def hold_s(self) -> float:
        """Holder-seconds up to now."""
        return self._hold.seconds()

    def wait_s(self) -> float:
        """Waiter-seconds up to now."""
        return self._wait.seconds()

    def inner_wait_s(self) -> float:
        """Seconds of holds, up to now, that went by waiting for another resource."""
        return self._inner.seconds()

    def uses(self) -> float:
        """Holds that have ended."""
        return self._hold.ended


class LoopMeter:
    """The event loop as a resource: its thread's CPU seconds are the hold, capacity is one core.

    `wait_s` (also `flashdrill_loop_lag_seconds_total`) adds up by how much a timer woke too late, sampled every
    `interval_s`; over `samples` it is the mean lag of one resumption. `uses` counts what the loop works for,
    as a rule finished requests, so that capacity over CPU per use is a bound on their rate.
    """

    resource = "loop"
    capacity = 1.0

    def __init__(self, uses: Callable[[], float] | None = None, interval_s: float = 0.02) -> None:
        """To be made in the loop's own thread."""
        self._cpu_clock = time.pthread_getcpuclockid(threading.get_ident())
        self._uses = uses
        self._interval_s = interval_s
        self._lag_s = 0.0
        self._cpu_s = 0.0
        self.samples = 0

    async def run(self) -> None:
        """Sample until cancelled; started by the task group that owns the service."""
        while True:
            due = time.monotonic() + self._interval_s
            await asyncio.sleep(self._interval_s)
            self._lag_s += max(0.0, time.monotonic() - due)
            self.samples += 1

    def hold_s(self) -> float:
        """CPU seconds of the loop's thread; the last known figure once that thread has ended."""
        with suppress(OSError):
            self._cpu_s = time.clock_gettime(self._cpu_clock)
        return self._cpu_s

    def wait_s(self) -> float:
        """Seconds by which the sampler's timers woke too late."""
        return self._lag_s

    def inner_wait_s(self) -> float:
        """Always 0: a thread that waits uses no CPU."""
        return 0.0

    def uses(self) -> float:
        """What the loop has worked for, or the sampler's wakes."""
        return float(self.samples) if self._uses is None else self._uses()


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric read at the scrape: a number, or with `label` one number per label value.

    `name` is as it is printed: a name in `_total` is a counter, any other a gauge. `read` runs in the metrics
    thread and must not block.
    """

    name: str
    documentation: str
    read: Callable[[], float | Mapping[str, float]]
    label: str = ""

    def family(self) -> Metric:
        """The metric as it stands now."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        value = self.read()
        if not isinstance(value, Mapping):
            return kind(self.name, self.documentation, value=value)
        family = kind(self.name, self.documentation, labels=[self.label])
        for name, number in value.items():
            family.add_metric([name], number)
        return family


_COUNTERS: dict[str, tuple[str, Callable[[Metered], float]]] = {
    "hold_seconds_total": ("Time integral of holders.", lambda m: m.hold_s()),
    "wait_seconds_total": ("Time integral of waiters.", lambda m: m.wait_s()),
    "inner_wait_seconds_total": (
        "Time integral of holders that wait for another resource.",
        lambda m: m.inner_wait_s(),
    ),
    "uses_total": ("Holds that have ended.", lambda m: m.uses()),
    "capacity": ("How many can hold the resource at once.", lambda m: m.capacity),
}


class MeterCollector(Collector):
    """All meters as `flashdrill_resource_*`, and readings, for a prometheus_client registry."""

    def __init__(self, meters: Iterable[Metered], readings: Iterable[Reading] = ()) -> None:
        self._meters = tuple(meters)
        self._readings = tuple(readings)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read the meters."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, brought up to date."""
        for suffix, (documentation, read) in _COUNTERS.items():
            yield Reading(
                f"flashdrill_resource_{suffix}",
                documentation,
                lambda read=read: {m.resource: read(m) for m in self._meters},  # type: ignore[misc]
                "resource",
            ).family()
        for reading in self._readings:
            yield reading.family()


class MetricsServer:
    """The metrics over HTTP in a thread of their own, so that a busy event loop does not delay a scrape."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. OSError when the port is taken."""
        self._server, self._thread = start_http_server(port, host, registry)
        self.port: int = self._server.server_port

    def shutdown(self) -> None:
        """Stop serving and release the port; blocks for up to half a second."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> tuple[MetricsServer, int]:
    """Serve the registry; the server, to be shut down, and the port that it listens on."""
    server = MetricsServer(registry, host, port)
    return server, server.port
