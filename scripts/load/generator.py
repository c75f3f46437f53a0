"""The crowd's own process against the null server at a given rate, judged as a run judges it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from flashdrill.analysis.attribution import CpuShares, attribute
from flashdrill.analysis.catalogue import load_catalogue
from flashdrill.analysis.generator import with_generator_limit
from flashdrill.analysis.samples import Series
from flashdrill.analysis.validity import cpu_by_stage, validate
from flashdrill.analysis.verdict import judge
from flashdrill.load import child
from flashdrill.load.null_server import HOST
from flashdrill.load.record import read_stream
from flashdrill.load.schedule import arrivals
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.calibration import Calibration
from flashdrill.model.result import (
    Bottleneck,
    Invariant,
    InvariantStatus,
    StageValidity,
    Verdict,
)
from flashdrill.model.scenario import Arrivals, Limits, Product, Ramp, Stage, World

ROOT = Path(__file__).resolve().parents[2]
LEAD_S = 0.3
ENDING_S = 60.0
UNAUDITED = Invariant("audit", InvariantStatus.HOLDS, "nothing", "left out: there is no service")


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load process was told, what it recorded and what it said."""

    spec: CrowdSpec
    t0_ns: int
    table: pa.Table
    lines: list[dict[str, Any]]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run would say of it; the audit is left out."""

    validity: StageValidity
    bottleneck: Bottleneck
    verdict: Verdict


async def driven(
    rate_per_s: float,
    seconds: float,
    folder: Path,
    *,
    calibrate_s: float = 0.0,
    known: Calibration | None = None,
) -> Driven:
    """One load process, at a rate, against a null server; calibrated in the same run, or known already."""
    ramp = Ramp(seconds, rate_per_s, rate_per_s)
    stage = Stage("load", 0.0, seconds, (Arrivals("order", (ramp,)),))
    with null_server() as url:
        spec = spec_for(url, folder, (stage,), calibrate_s=calibrate_s)
        async with crowd_process(spec, folder / "crowd.json") as calibration:
            t0_ns = time.monotonic_ns() + round(LEAD_S * 1e9)
            child.start(Path(spec.start_path), t0_ns)
            lines = [line async for line in child.follow(Path(spec.live_path), lambda: True)]
    return Driven(spec, t0_ns, read_stream(Path(spec.ops_path)), lines, calibration or known)


def spec_for(url: str, folder: Path, stages: tuple[Stage, ...], **more: Any) -> CrowdSpec:
    """What a load process is told: orders of one product, to this URL."""
    return CrowdSpec(
        name="limit",
        locustfile=str(ROOT / "scripts" / "load" / "crowd.py"),
        base_url=url,
        payment_url=url,
        hmac_secret="",
        stages=stages,
        world=World(10_000, (Product("hot-1", 1999, 1_000_000, 1.0),)),
        seed=1,
        ops_path=str(folder / "ops.record"),
        live_path=str(folder / "live.jsonl"),
        start_path=str(folder / "start.json"),
        limits=Limits(in_flight=1024),
        **more,
    )


def judged(found: Driven) -> Judged:
    """The validity of its stage, the bottleneck and the verdict."""
    stages, t0_ns = found.spec.stages, found.t0_ns
    scheduled = Counter(arrival.stage for arrival in arrivals(stages, found.spec.seed))
    cpu = cpu_by_stage(line for line in found.lines if line["event"] == "second")
    validity = with_generator_limit(
        validate(found.table, stages, (), scheduled, dict(cpu)), stages, found.calibration
    )
    catalogue = load_catalogue(ROOT / "reports")
    bottleneck = attribute(Series(()), stages, t0_ns, catalogue, validity, CpuShares(generator=cpu))
    return Judged(validity[0], bottleneck, judge((UNAUDITED,), (), validity, ()))


@contextlib.asynccontextmanager
async def crowd_process(spec: CrowdSpec, path: Path) -> AsyncIterator[Calibration | None]:
    """The load process as a run starts it, ready; at the end it has written everything."""
    write_spec(spec, path)
    process = await asyncio.create_subprocess_exec(
        *child.command(path),
        cwd=ROOT,
        env={**os.environ, **child.environment(path), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = await child.wait_ready(
            Path(spec.live_path),
            lambda: process.returncode is None,
            timeout_s=child.READY_TIMEOUT_S + spec.calibrate_s,
        )
        told = ready["calibration"]
        yield msgspec.convert(told, Calibration) if told else None
        await asyncio.wait_for(process.wait(), ENDING_S)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.contextmanager
def null_server() -> Iterator[str]:
    """The URL of a server that answers at once."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "flashdrill.load.null_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://{HOST}:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(ENDING_S)
        process.stdout.close()
