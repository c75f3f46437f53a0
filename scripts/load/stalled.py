"""The crowd's own process, and plain Locust beside it, while the server that they talk to is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flashdrill.analysis.columns import Columns, Floats, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.load import child
from flashdrill.load.record import read_stream
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.scenario import Arrivals, Limits, Product, Ramp, Stage, World
from scripts.load.analytic import Stall
from scripts.load.null_server import HOST

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "scripts" / "load"
STALL_AT = 0.4
"""The stall begins after this share of the run."""
LEAD_S = 0.3
TIMEOUT_S = 120.0
ENDING_S = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """So many arrivals a second for so long, evenly spaced or Poisson, with a stall in the middle."""

    run_s: float
    rate_per_s: float
    stall_s: float
    is_even: bool
    seed: int = 1

    @property
    def stage(self) -> Stage:
        """The one stage of the run."""
        ramp = Ramp(self.run_s, self.rate_per_s, self.rate_per_s)
        return Stage("load", 0.0, self.run_s, (Arrivals("ping", (ramp,), self.is_even),))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the crowd recorded (due times since the run's start, seconds), and the stall as it really was."""

    table: pa.Table
    history: Columns
    due_s: Floats
    stall: Stall

    def response(self, share: float) -> float:
        """The quantile of what was measured, seconds."""
        found = quantile(self.history.response_s, share)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """What Locust prints at its end: requests, and percentiles by name (`95%`), seconds."""

    requests: int
    percentiles_s: dict[str, float]


async def stalled(plan: Plan, folder: Path, *, locust_users: int = 0) -> tuple[Seen, Told | None]:
    """One run of the crowd; with `locust_users`, so many of plain Locust's at the same rate in the same stall."""
    async with asyncio.timeout(plan.run_s + TIMEOUT_S), contextlib.AsyncExitStack() as opened:
        server, url = await opened.enter_async_context(_server())
        spec = _spec(plan, url, folder)
        await opened.enter_async_context(_crowd(spec, folder / "crowd.json"))
        table_path = None
        if locust_users:
            locust = _locust(plan, url, folder, locust_users)
            table_path = await opened.enter_async_context(locust)
        t0_ns = time.monotonic_ns() + round(LEAD_S * 1e9)
        child.start(Path(spec.start_path), t0_ns)
        bounds_ns = await _stop(server, t0_ns, plan)
        await _until_done(spec)
    seen = _seen(read_stream(Path(spec.ops_path)), t0_ns, bounds_ns)
    return seen, _told(table_path) if table_path else None


def _spec(plan: Plan, url: str, folder: Path) -> CrowdSpec:
    return CrowdSpec(
        name="stall",
        locustfile=str(PARTS / "ping.py"),
        base_url=url,
        payment_url=url,
        hmac_secret="",
        stages=(plan.stage,),
        world=World(1, (Product("none", 1, 1, 1.0),)),
        seed=plan.seed,
        ops_path=str(folder / "ops.arrows"),
        live_path=str(folder / "live.jsonl"),
        start_path=str(folder / "start.json"),
        limits=Limits(in_flight=1024, request_timeout_s=10 * plan.stall_s, max_attempts=1),
    )


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The server and its URL."""
    async with _process("-m", "scripts.load.quick_server", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield process, f"http://{HOST}:{port}"


@contextlib.asynccontextmanager
async def _crowd(spec: CrowdSpec, path: Path) -> AsyncIterator[None]:
    """The load process as a run starts it; at the end it has written everything."""
    write_spec(spec, path)
    _, *arguments = child.command(path)
    async with _process(*arguments, env=child.environment(path)) as process:
        await child.wait_ready(Path(spec.live_path), lambda: process.returncode is None)
        yield
        await asyncio.wait_for(process.wait(), ENDING_S)


@contextlib.asynccontextmanager
async def _locust(plan: Plan, url: str, folder: Path, users: int) -> AsyncIterator[Path]:
    """Plain Locust with all its users there; at the end its table is in the file."""
    begun, tables = folder / "begun", folder / "locust"
    options = ["--headless", "-u", str(users), "-r", str(users), "-t", f"{plan.run_s:g}s"]
    options += ["--csv", str(tables), "--only-summary", "--loglevel", "ERROR", "--host", url]
    rate = {"LOCUST_PING_RATE": str(plan.rate_per_s / users), "LOCUST_PING_BEGUN": str(begun)}
    file = str(PARTS / "closed.py")
    async with _process("-m", "locust", "-f", file, *options, env=rate) as process:
        while not begun.exists():
            if process.returncode is not None:
                raise RuntimeError(f"Locust ended with {process.returncode}")
            await asyncio.sleep(child.POLL_S)
        yield tables.with_name("locust_stats.csv")
        await asyncio.wait_for(process.wait(), ENDING_S)


@contextlib.asynccontextmanager
async def _process(
    *arguments: str, stdout: int = subprocess.DEVNULL, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python of its own, gone at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, **(env or {}), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _stop(server: asyncio.subprocess.Process, t0_ns: int, plan: Plan) -> tuple[int, int]:
    """Stop the server for a while: from when and until when (CLOCK_MONOTONIC, ns)."""
    await _sleep_until(t0_ns + round(plan.run_s * STALL_AT * 1e9))
    server.send_signal(signal.SIGSTOP)
    stopped_ns = time.monotonic_ns()
    await _sleep_until(stopped_ns + round(plan.stall_s * 1e9))
    server.send_signal(signal.SIGCONT)
    return stopped_ns, time.monotonic_ns()


async def _sleep_until(moment_ns: int) -> None:
    await asyncio.sleep(max(0.0, (moment_ns - time.monotonic_ns()) / 1e9))


async def _until_done(spec: CrowdSpec) -> None:
    """Follow the crowd to its end. Raises RuntimeError for an error of its own."""
    async for line in child.follow(Path(spec.live_path), lambda: True):
        if line["event"] == "error":
            raise RuntimeError(line["error"])


def _seen(table: pa.Table, t0_ns: int, bounds_ns: tuple[int, int]) -> Seen:
    history = columns(table)
    start_s, end_s = ((moment_ns - t0_ns) / 1e9 for moment_ns in bounds_ns)
    due_s = (history.due_ns - t0_ns) / 1e9
    base_s = quantile(history.where(due_s < start_s).service_s, 0.5)
    if base_s is None or not history.is_sent.all() or not history.is_ok.all():
        raise RuntimeError("not every arrival was sent and answered")
    return Seen(table, history, due_s, Stall(start_s, end_s, base_s))


def _told(path: Path) -> Told:
    with path.open() as file:
        row = next(row for row in csv.DictReader(file) if row["Name"] == "ping")
    percentiles_s = {name: float(row[name]) / 1000 for name in ("50%", "95%", "99%", "100%")}
    return Told(int(row["Request Count"]), percentiles_s)
