"""The service's settings: one frozen object from an explicit mapping; unknown keys are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from backend.placeholders import PlaceholderError, filled

BUCKETS = 256
MAX_SHARDS = 64
"""Order numbers keep so many residues apart (see `order_number` in schema.sql)."""

Defect = Literal["", "oversell", "lose-queued", "double-on-retry", "silent-drop"]
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=1e7)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]


class SettingsError(ValueError):
    """A setting is missing, unknown or out of range; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. `_s` are seconds: real ones for I/O, *nominal* (scaled) ones for windows."""

    # addresses
    shards: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MAX_SHARDS)]
    """the databases, one DSN each; their order must never change"""
    redis_url: Text
    """the gate's Redis"""
    queue_dir: Text
    """the folder of the durable queues, one in it for each shard"""
    hmac_secret: Text
    """what payment callbacks are signed with"""
    host: Text = "127.0.0.1"
    """the address to listen on"""
    port: Port = 0
    """of orders and payments; 0: any free one, said when the service is ready"""
    metrics_port: Port = 0
    """of `/metrics`, which a thread of its own serves; 0: any free one"""
    events_path: str = ""
    """where levels and breakers write their changes, as JSON lines; empty: nowhere"""
    shard_of_bucket: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """the shard of each of the 256 buckets of users; empty: bucket modulo the number of shards"""

    # the clock, and what is broken on purpose
    time_scale: Seconds = 1.0
    """nominal seconds take 1/time_scale of their time"""
    defect: Defect = ""
    """a known bug, brought back so that the checkers can be seen firing; empty: none"""

    # bounds
    pool_size: Count = 8
    """connections to each shard"""
    pool_waiting_max: Count = 128
    """statements that may wait for a connection of a shard; more are refused at once"""
    redis_pool_size: Count = 32
    """connections to Redis"""
    in_flight_max: Count = 256
    """requests that may be open at once; more are refused at once; read again on SIGHUP"""
    body_limit_bytes: Count = 51_200
    """how large a request's body may be; more is not read"""
    queue_max_records: Annotated[int, Meta(ge=1, le=10_000_000)] = 20_000
    """orders that may wait in the durable queue of a shard"""
    drain_batch: Count = 32
    """queued orders that are written at once"""
    purchase_limit: Count = 5
    """units of one product that one user may buy"""
    timing_sample: Share = 0.05
    """the share of the answers that say in a `Server-Timing` header where their time went"""

    # waits: real seconds
    request_deadline_s: Seconds = 1.5
    """how long a request may take as a whole"""
    command_timeout_s: Seconds = 0.8
    """how long a statement may take"""
    connect_timeout_s: Seconds = 1.0
    """how long a connection to a shard may take"""
    redis_timeout_s: Seconds = 0.5
    """how long a command of Redis, or a connection to it, may take"""
    lock_wait_s: Seconds = 0.3
    """how long a payment waits for another one of the same order"""
    signature_age_s: Seconds = 300.0
    """how old a callback's signature may be"""
    shutdown_drain_s: Seconds = 5.0
    """how long a service that is stopped goes on writing queued orders; the rest stays on disk"""

    # windows and periods: nominal seconds
    level1_failure_rate: Share = 0.03
    """failing writes of a shard above which, for a whole window, its orders go to the queue"""
    level2_failure_rate: Share = 0.08
    """the same for level 2, which as yet does what level 1 does"""
    level_window_s: Seconds = 30.0
    """how long the rate must stay above"""
    level_min_calls: Count = 20
    """writes in the window; fewer say nothing"""
    breaker_min_calls: Count = 10
    """calls in a breaker's window; with fewer it does not open"""
    breaker_window_s: Seconds = 10.0
    """the window over which a breaker takes its failure rate"""
    breaker_reset_s: Seconds = 5.0
    """how long an open breaker refuses calls before it lets one try"""
    hold_s: Seconds = 900.0
    """how old a reservation that nothing refers to must be to be swept"""
    sweep_every_s: Seconds = 60.0
    """the time between two sweeps"""
    payment_lock_s: Seconds = 30.0
    """how long a payment stays locked when the service dies at it"""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Settings:
        """Check every value. Raises SettingsError."""
        try:
            settings = msgspec.convert(dict(mapping), cls)
        except msgspec.ValidationError as error:
            raise SettingsError(str(error)) from error
        settings._check_table()
        return settings

    @classmethod
    def from_file(cls, path: Path) -> Settings:
        """Read a JSON file; `${file:PATH}` in it stands for a secret (see `placeholders`). Raises SettingsError."""
        try:
            mapping = filled(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
        except (OSError, msgspec.DecodeError, PlaceholderError) as error:
            raise SettingsError(f"{path}: {error}") from error
        return cls.from_mapping(mapping)

    def _check_table(self) -> None:
        table = self.shard_of_bucket
        if table and len(table) != BUCKETS:
            raise SettingsError(f"shard_of_bucket has {len(table)} entries, not {BUCKETS}")
        if any(shard >= len(self.shards) for shard in table):
            raise SettingsError(f"shard_of_bucket names a shard beyond {len(self.shards) - 1}")

    def shard_of(self, bucket: int) -> int:
        """The number of the shard that keeps a bucket's orders."""
        return self.shard_of_bucket[bucket] if self.shard_of_bucket else bucket % len(self.shards)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={_masked(name, getattr(self, name))!r}" for name in self.__struct_fields__
        )
        return f"Settings({shown})"

    __str__ = __repr__


def _masked(name: str, value: Any) -> Any:
    """Secrets and the passwords in addresses never reach a log."""
    if name == "hmac_secret":
        return "***"
    if name == "shards":
        return tuple(_masked("", dsn) for dsn in value)
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", value) if isinstance(value, str) else value
