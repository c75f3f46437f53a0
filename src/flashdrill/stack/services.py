"""Which servers the reference stack has and how they are set: the one table from which the embedded stack starts
processes and `scripts/containers.py` writes docker-compose.yml.

    crowd ── backend-proxy, payment-proxy ── backend ─┬─ shard0..3-proxy ── shard0..3
                                                      └─ redis-proxy ── redis
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHARDS = 4
DATABASE = USER = "flashdrill"
POSTGRES_VERSION, VALKEY_VERSION = (
    "16.14",
    "8.1.8",
)  # what the wheels bring, and the tags of the images
READY_PATH, METRICS_PATH = "/readyz", "/metrics"

POSTGRES_SETTINGS: Mapping[str, str] = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Durable and small: a checker of lost orders would prove nothing on a database that may forget."""

INITDB_ARGUMENTS = ("--encoding=UTF8", "--locale=C", "--wal-segsize=4")
REDIS_SETTINGS: Mapping[str, str] = {"save": "", "appendonly": "no"}
"""Nothing on disk: the databases are the authority, and the gate is rebuilt from them."""


@dataclass(frozen=True, slots=True)
class Service:
    """A server. `port` is where it listens in a container of its own; the embedded stack takes free ports."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Proxy:
    """A way to a server through Toxiproxy, and what kinds of target a fault plan finds there."""

    name: str
    upstream: str
    port: int
    kinds: frozenset[str]


TOXIPROXY = Service("toxiproxy", 8474)
BACKEND = Service("backend", 8080)
METRICS = Service(
    "metrics", 9100
)  # a second port of the backend: served by a thread, behind no proxy
REDIS = Service("redis", 6379)


def shards(count: int = SHARDS) -> tuple[Service, ...]:
    """The databases."""
    return tuple(Service(f"shard{number}", 5432) for number in range(count))


def servers(count: int = SHARDS) -> tuple[Service, ...]:
    """What stands behind Toxiproxy."""
    return (*shards(count), REDIS, BACKEND)


def proxies(count: int = SHARDS) -> tuple[Proxy, ...]:
    """Every proxy; the payment provider has a way of its own to the backend."""
    ways = [
        Proxy(shard.name, shard.name, 15432 + number, frozenset({"tcp", "postgres", "process"}))
        for number, shard in enumerate(shards(count))
    ]
    return (
        *ways,
        Proxy("redis", REDIS.name, 16379, frozenset({"tcp", "redis", "process"})),
        Proxy("backend", BACKEND.name, 18080, frozenset({"tcp", "http", "process"})),
        Proxy("payment", BACKEND.name, 18081, frozenset({"tcp", "http"})),
    )


def backend_settings(
    *,
    host: str,
    port: int,
    metrics_port: int,
    queue_dir: str,
    events_path: str,
    hmac_secret: str,
    time_scale: float,
    overrides: Mapping[str, Any],
    shards: Sequence[str],
    redis_url: str,
) -> dict[str, Any]:
    """The backend's settings file: `overrides` are its own settings, the stores cannot be overridden."""
    return {
        "host": host,
        "port": port,
        "metrics_port": metrics_port,
        "queue_dir": queue_dir,
        "events_path": events_path,
        "hmac_secret": hmac_secret,
        "time_scale": time_scale,
        **overrides,
        "shards": list(shards),
        "redis_url": redis_url,
    }
