"""What `/metrics` tells: the bytes through each proxy, and how the process does. Each is off unless asked for.

    toxiproxy_proxy_received_bytes_total{proxy,listener,upstream,direction}   read from the direction's source
    toxiproxy_proxy_sent_bytes_total{proxy,listener,upstream,direction}       given to its destination
    process_*, python_*                                                       with the metrics of the runtime

Bytes count when they pass (the real server counts a connection's when it ends), and the counts of a proxy that
is gone stay. In place of Go's runtime there is Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from flashdrill.toxiproxy.embedded.toxic import STREAMS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
LABELS = ("direction", "proxy", "listener", "upstream")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where the bytes of a connection are counted, by direction."""

    received: Mapping[str, Callable[[int], None]]
    sent: Mapping[str, Callable[[int], None]]


class Metrics:
    """The counters of one server: `proxies` switches on those of the bytes, `runtime` those of the process."""

    def __init__(self, *, proxies: bool = False, runtime: bool = False) -> None:
        self.are_on = proxies or runtime
        self._registry = CollectorRegistry()
        self._received: Counter | None = None
        self._sent: Counter | None = None
        if proxies:
            disable_created_metrics()  # type: ignore[no-untyped-call]
            self._received = self._counter("received", "Bytes read from a direction's source.")
            self._sent = self._counter("sent", "Bytes given to a direction's destination.")
        if runtime:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=self._registry)

    def traffic(self, proxy: str, listener: str, upstream: str) -> Traffic | None:
        """Where a connection of this proxy counts; None when nothing is counted."""
        if self._received is None or self._sent is None:
            return None
        received, sent = self._received, self._sent
        labels = {way: (way, proxy, listener, upstream) for way in STREAMS}
        return Traffic(
            {way: received.labels(*labels[way]).inc for way in STREAMS},
            {way: sent.labels(*labels[way]).inc for way in STREAMS},
        )

    def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)

    def _counter(self, what: str, help_text: str) -> Counter:
        name = f"toxiproxy_proxy_{what}_bytes"
        return Counter(name, help_text, LABELS, registry=self._registry)
