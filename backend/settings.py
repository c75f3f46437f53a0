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
    redis_url: Text
    queue_dir: Text
    hmac_secret: Text
    host: Text = "127.0.0.1"
    port: Port = 0
    metrics_port: Port = 0
    events_path: str = ""
    shard_of_bucket: tuple[Annotated[int, Meta(ge=0)], ...] = ()  # empty: bucket % shards

    # the clock, and what is broken on purpose
    time_scale: Seconds = 1.0
    defect: Defect = ""

    # bounds
    pool_size: Count = 8
    pool_waiting_max: Count = 128
    redis_pool_size: Count = 32
    in_flight_max: Count = 256
    body_limit_bytes: Count = 51_200
    queue_max_records: Annotated[int, Meta(ge=1, le=10_000_000)] = 20_000
    drain_batch: Count = 32
    purchase_limit: Count = 5  # units of one product for one user
    timing_sample: Share = 0.05  # share of the responses with a Server-Timing header

    # waits: real seconds
    request_deadline_s: Seconds = 1.5
    command_timeout_s: Seconds = 0.8
    connect_timeout_s: Seconds = 1.0
    redis_timeout_s: Seconds = 0.5
    lock_wait_s: Seconds = 0.3
    signature_age_s: Seconds = 300.0
    shutdown_drain_s: Seconds = 5.0

    # windows and periods: nominal seconds
    level1_failure_rate: Share = 0.03
    level2_failure_rate: Share = 0.08
    level_window_s: Seconds = 30.0
    level_min_calls: Count = 20  # fewer writes in the window say nothing
    breaker_min_calls: Count = 10
    breaker_window_s: Seconds = 10.0
    breaker_reset_s: Seconds = 5.0
    hold_s: Seconds = 900.0  # a reservation that nothing refers to is swept after this
    sweep_every_s: Seconds = 60.0
    payment_lock_s: Seconds = 30.0

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
