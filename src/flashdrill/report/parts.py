"""What is inside the open mappings of `summary.json`.

A run fills them as far as it came, so no key is required, and there may be more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flashdrill.model.result import ClosedLoop, OperationStats
from flashdrill.model.trouble import ErrorKind, SlowOperation


class RunScenario(msgspec.Struct, frozen=True):
    """What was rehearsed."""

    name: str = ""
    description: str = ""
    time_scale: float = 1.0
    duration_s: float = 0.0
    gates: tuple[str, ...] = ()
    aborts: tuple[str, ...] = ()
    backend: Mapping[str, Any] = {}
    service: str = ""


class RunChaos(msgspec.Struct, frozen=True):
    """Which faults were planned."""

    plans: tuple[str, ...] = ()
    faults: int = 0


class RunStage(msgspec.Struct, frozen=True):
    """A stretch of the run."""

    name: str = ""
    start_s: float = 0.0
    duration_s: float = 0.0


class LoadWorker(msgspec.Struct, frozen=True):
    """One of several load processes."""

    worker: int
    due: int
    sent: int
    max_cpu: float
    lateness_max_ms: float
    name: str = ""
    clock_error_ms: float = 0.0
    interrupted: bool = False


class Generator(msgspec.Struct, frozen=True):
    """The crowd's own account."""

    event: str = ""
    t_s: float = 0.0
    due: int = 0
    sent: int = 0
    ok: int = 0
    queued: int = 0
    refused: int = 0
    fail: int = 0
    info: int = 0
    not_sent: int = 0
    connection_waits: int = 0
    crowd_errors: int = 0
    max_cpu: float = 0.0
    lateness_max_ms: float = 0.0
    interrupted: bool = False
    closed_users: tuple[str, ...] = ()
    closed_requests: int = 0
    fenced: Mapping[str, int] = {}
    workers: tuple[LoadWorker, ...] = ()


class Load(msgspec.Struct, frozen=True):
    """What the crowd did and met."""

    operations: tuple[OperationStats, ...]
    errors: tuple[ErrorKind, ...]
    slowest: tuple[SlowOperation, ...]
    scheduled: int = 0
    attempts_by_status: Mapping[str, int] = {}
    generator: Mapping[str, Any] = {}
    closed_loop: tuple[ClosedLoop, ...] = ()


class FinalReads(msgspec.Struct, frozen=True):
    """How much was read from the databases."""

    orders: int = 0
    lines: int = 0
    payments: int = 0
    queue_depth: int | None = None
    open_sessions: int | None = 0
    missing: tuple[str, ...] = ()


class Environment(msgspec.Struct, frozen=True):
    """What ran, on which machine."""

    python: str = ""
    platform: str = ""
    cpus: int = 0
    memory_mb: float = 0
    free_disk_mb: float = 0
    postgres: Mapping[str, Any] = {}
    redis: str = ""
    toxiproxy: Mapping[str, Any] = {}
    time_scale: float = 1.0
    libraries: Mapping[str, str] = {}
    run_folder: str = ""
    command: str = ""


PARTS: Mapping[str, type[msgspec.Struct]] = {
    "Summary.scenario": RunScenario,
    "Summary.chaos": RunChaos,
    "Summary.stages": RunStage,
    "Summary.load": Load,
    "Load.generator": Generator,
    "Audit.final_reads": FinalReads,
    "Summary.environment": Environment,
}
"""Which of them is where."""
