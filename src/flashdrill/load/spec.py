"""What a load process is told: one JSON file, written by the harness and read by the child."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec

from flashdrill.errors import ConfigError
from flashdrill.model.hosts import LOOPBACK_ONLY, Admission
from flashdrill.model.rate_cap import rate_cap
from flashdrill.model.scenario import Limits, Scenario, Stage, World
from flashdrill.model.templates import Templates

CROWD_ENV = "FLASHDRILL_CROWD"
"""The environment variable that tells the child where its specification is."""

GRACE_S = 10.0
"""Added to the longest operation: how long the last customers may take after the last stage."""


class CrowdSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a load process needs; times in seconds, URLs without a path.

    `worker` of `workers` takes every n-th arrival. With `calibrate_s` it is calibrated for so long before it is
    ready. `hosts` are those beyond loopback that it may send to, with their addresses; it looks no name up.
    `headers` go with every request. Stages that are ordered later come from `orders_path`, and take `ordered_s` at
    most. The secret signs payment callbacks; it belongs to the run and is made for it.
    """

    name: str
    locustfile: str
    base_url: str
    payment_url: str
    hmac_secret: str
    stages: tuple[Stage, ...]
    world: World
    seed: int
    ops_path: str
    live_path: str
    start_path: str
    time_scale: float = 1.0
    limits: Limits = Limits()
    parameters: dict[str, Any] = {}
    hosts: dict[str, tuple[str, ...]] = {}
    headers: dict[str, str] = {}
    templates: Templates | None = None
    worker: int = 0
    workers: int = 1
    start_timeout_s: float = 120.0
    calibrate_s: float = 0.0
    orders_path: str = ""
    ordered_s: float = 0.0

    @classmethod
    def from_scenario(
        cls,
        scenario: Scenario,
        *,
        base_url: str,
        payment_url: str,
        hmac_secret: str,
        folder: Path,
        admission: Admission = LOOPBACK_ONLY,
        worker: int = 0,
        workers: int = 1,
    ) -> Self:
        """The specification of one worker, with its files in the run's folder, whose name is the run's id.

        Raises ConfigError for a URL on a host that the run may not hit.
        """
        folder = folder.resolve()  # the child may have another current directory
        suffix = "" if workers == 1 else f"-{worker}"
        return cls(
            name=scenario.name,
            locustfile=str(scenario.locustfile.resolve()),
            base_url=base_url,
            payment_url=payment_url,
            hmac_secret=hmac_secret,
            stages=scenario.given_stages,
            world=scenario.world,
            seed=scenario.seed,
            ops_path=str(folder / f"ops{suffix}.record"),
            live_path=str(folder / f"live{suffix}.jsonl"),
            start_path=str(folder / "start.json"),
            time_scale=scenario.time_scale,
            limits=replace(scenario.limits, rate_max=rate_cap(scenario.limits, admission)),
            parameters=dict(scenario.parameters),
            templates=scenario.templates,
            hosts={**admission.of(base_url), **admission.of(payment_url)},
            headers=scenario.marking.headers(folder.name),
            calibrate_s=scenario.calibrate_s,
            orders_path=str(folder / "orders.jsonl") if scenario.climb else "",
            ordered_s=scenario.climb.longest_s if scenario.climb else 0.0,
            worker=worker,
            workers=workers,
        )

    @property
    def duration_s(self) -> float:
        """From the run's start to the end of the last stage."""
        return max((stage.end_s for stage in self.stages), default=0.0)

    @property
    def finish_timeout_s(self) -> float:
        """How long open operations may go on after the last stage; then they count as unknown."""
        return self.limits.request_timeout_s * self.limits.max_attempts + GRACE_S

    def __repr__(self) -> str:
        return f"CrowdSpec({self.name!r}, worker {self.worker} of {self.workers}, secret hidden)"


def write_spec(spec: CrowdSpec, path: Path) -> None:
    """Write the file, readable by its owner only (it holds the callback secret)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(spec, enc_hook=str)))


def _path(kind: type, value: Any) -> Any:
    return kind(value)


def read_spec(path: Path) -> CrowdSpec:
    """Read it back. Raises ConfigError for a file that is missing or does not fit."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=CrowdSpec, dec_hook=_path)
    except OSError as error:
        raise ConfigError(f"cannot read the crowd's specification: {error}", path=path) from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"not a crowd's specification: {error}", path=path) from error
