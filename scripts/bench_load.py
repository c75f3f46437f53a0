"""What a request costs the generator: our engine with its full record on, FastHttpUser, wrk and k6, in one run.

make bench-load

Each sends the same order by POST to a server that answers at once, and (but for wrk) parses the JSON of the answer.
They take turns, several rounds of it, so that a busy moment of the machine meets all of them; what is printed are
medians over the rounds, in brackets the lowest and the highest. CPU is that of the sending process alone, user and
system. The others send as fast as they can on 32 connections, so that they never sleep; ours is an open model, at a
rate that keeps its core busy too (--rate sets another). The server has a core of its own where there are two. One that
is not installed is said. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from flashdrill.load import child
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.scenario import Arrivals, Limits, Product, Ramp, Stage, World
from scripts.load.null_server import LIFETIME_S

ROOT = Path(__file__).resolve().parent.parent
PARTS = ROOT / "scripts" / "load"
HOST = "127.0.0.1"
CONNECTIONS = 32
LEAD_S = 0.3
BUSY, KEPT_UP = 0.8, 0.95
FIRST_RATE, STEPS, STEP_S = 6000.0, 6, 2.0
TIMEOUT_S = 120.0
PLACES = os.pathsep.join([os.environ.get("PATH", ""), str(Path.home() / "go" / "bin")])
OURS, FAST, WRK, K6 = "flashdrill", "Locust FastHttpUser", "wrk", "k6"


@dataclass(frozen=True, slots=True)
class Used:
    """What a round took: requests, and the CPU and wall time of sending them, seconds."""

    requests: int
    cpu_s: float
    wall_s: float

    @property
    def cpu_us(self) -> float:
        """CPU for each request, microseconds."""
        return self.cpu_s / self.requests * 1e6


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each contender in a round")
    parser.add_argument(
        "--rate", type=float, help="of our engine, a second; without it, one that keeps a core busy"
    )
    options = parser.parse_args()
    with null_server() as port:
        url = f"http://{HOST}:{port}"
        rate = options.rate or _busy_rate(url)
        contenders = dict(_contenders(options.seconds, rate))
        found: dict[str, list[Used]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, run in contenders.items():
                found[name].append(run(url))
    options.rate = rate
    _print(found, options)
    return 0


def _contenders(seconds: float, rate: float) -> Iterator[tuple[str, Callable[[str], Used]]]:
    yield OURS, lambda url: _ours(url, seconds, rate)
    yield FAST, lambda url: _fast(url, seconds)
    for name, run in ((WRK, _wrk), (K6, _k6)):
        if program := shutil.which(name, path=PLACES):
            yield name, partial(run, program, seconds)
        else:
            print(f"{name} is not installed: left out")


def _busy_rate(url: str) -> float:
    """A rate that keeps a core busy, found step by step: a request costs more where there is time to sleep."""
    rate = FIRST_RATE
    for _ in range(STEPS):
        used = _ours(url, STEP_S, rate)
        done = used.requests / used.wall_s
        if used.cpu_s / used.wall_s > BUSY or done < KEPT_UP * rate:
            return done
        rate *= 1.4
    return rate


def _ours(url: str, seconds: float, rate: float) -> Used:
    """One process of the crowd, as a run starts it."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as place:
        folder = Path(place)
        spec = order_spec(folder, url, seconds, rate)
        write_spec(spec, folder / "crowd.json")
        return asyncio.run(_conduct(spec, folder))


def order_spec(folder: Path, url: str, seconds: float, rate: float) -> CrowdSpec:
    """One process that orders at this rate, with its files in the folder."""
    stage = Stage("load", 0.0, seconds, (Arrivals("order", (Ramp(seconds, rate, rate),)),))
    return CrowdSpec(
        name="bench",
        locustfile=str(PARTS / "crowd.py"),
        base_url=url,
        payment_url=url,
        hmac_secret="",
        stages=(stage,),
        world=World(10_000, (Product("hot-1", 1999, 1_000_000, 1.0),)),
        seed=1,
        ops_path=str(folder / "ops.record"),
        live_path=str(folder / "live.jsonl"),
        start_path=str(folder / "start.json"),
        limits=Limits(in_flight=512),
    )


def crowd_environment(spec_path: Path) -> dict[str, str]:
    """What the process needs, and the way to its locustfile's imports."""
    return {**child.environment(spec_path), "PYTHONPATH": str(ROOT)}


async def _conduct(spec: CrowdSpec, folder: Path) -> Used:
    path = folder / "crowd.json"
    process = await asyncio.create_subprocess_exec(
        *child.command(path),
        env=crowd_environment(path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await child.wait_ready(Path(spec.live_path), lambda: process.returncode is None)
        child.start(Path(spec.start_path), time.monotonic_ns() + round(LEAD_S * 1e9))
        seconds = [
            line
            async for line in child.follow(Path(spec.live_path), lambda: process.returncode is None)
            if line["event"] in {"second", "error", "done"}
        ]
        await asyncio.wait_for(process.wait(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _told(seconds)


def _told(lines: list[dict[str, float]]) -> Used:
    """What the crowd says of its whole seconds but the first: it has its connections then."""
    done = lines[-1]
    if done["ok"] != done["sent"] or not done["sent"]:
        raise SystemExit(f"the crowd was not answered as it should be: {lines}")
    whole = [
        (line, line["t_s"] - before["t_s"])
        for before, line in pairwise(lines)
        if "cpu" in line and "cpu" in before and line["t_s"] - before["t_s"] > LEAD_S
    ]
    cpu_s = sum(line["cpu"] * length_s for line, length_s in whole)
    return Used(int(sum(line["sent"] for line, _ in whole)), cpu_s, sum(s for _, s in whole))


def _fast(url: str, seconds: float) -> Used:
    options = ["--headless", "-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{seconds:g}s"]
    command = [sys.executable, "-m", "locust", "-f", str(PARTS / "fast.py"), "--host", url]
    output, _ = _run([*command, *options, "--only-summary", "--loglevel", "ERROR"])
    used = next(json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return Used(**used)


def _wrk(program: str, seconds: float, url: str) -> Used:
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(PARTS / "post.lua")]
    output, used = _run([*command, url])
    words = output.split()
    return Used(int(words[words.index("requests") - 1]), used.cpu_s, used.wall_s)


def _k6(program: str, seconds: float, url: str) -> Used:
    command = [program, "run", "--quiet", "--vus", str(CONNECTIONS), "--duration", f"{seconds:g}s"]
    with tempfile.NamedTemporaryFile(suffix=".json") as summary:
        options = ["--no-usage-report", "--summary-export", summary.name, "-e", f"URL={url}"]
        _, used = _run([*command, *options, str(PARTS / "order.js")])
        told = json.loads(Path(summary.name).read_text())
    return Used(int(told["metrics"]["http_reqs"]["count"]), used.cpu_s, used.wall_s)


def _run(command: Sequence[str]) -> tuple[str, Used]:
    """What a program says, and the CPU and wall time of its process (no requests: it must tell them)."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {text}")
    return text, Used(0, used.ru_utime + used.ru_stime, time.monotonic() - began)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def null_server(lifetime_s: float = LIFETIME_S) -> Iterator[int]:
    """A server that answers at once, and its port; it has a core of its own where there are two. It ends by itself
    after so long."""
    with socket.create_server((HOST, 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "scripts.load.null_server", str(port), str(lifetime_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            _divide_cores(process.pid)
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit("the server did not come up")
            yield port
        finally:
            process.kill()


def _divide_cores(server: int) -> None:
    """The last one for the server, the others for this process and those that it will start."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(server, cores[-1:])
        os.sched_setaffinity(0, cores[:-1])


def _ratio(own: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios: of a round both had the same machine."""
    return statistics.median(a / b for a, b in zip(own, others, strict=True))


def _print(found: dict[str, list[Used]], options: argparse.Namespace) -> None:
    print(
        f"{options.rounds} rounds of {options.seconds:g} s, {os.cpu_count()} cores, a server that answers at once; "
        f"{OURS} at {options.rate:,.0f} a second, the others with {CONNECTIONS} connections\n"
    )
    print(
        f"{'':<22}{'CPU us a request':>26}{'a core does':>14}{'sent a second':>16}{'to FastHttpUser':>18}"
    )
    cpu_us = {name: [used.cpu_us for used in rounds] for name, rounds in found.items()}
    middle = {name: statistics.median(values) for name, values in cpu_us.items()}
    for name, rounds in found.items():
        spread = f"{middle[name]:.1f} ({min(cpu_us[name]):.1f}-{max(cpu_us[name]):.1f})"
        rate = statistics.median(used.requests / used.wall_s for used in rounds)
        share = _ratio(cpu_us[name], cpu_us[FAST])
        print(f"{name:<22}{spread:>26}{1e6 / middle[name]:>12,.0f}/s{rate:>14,.0f}/s{share:>18.2f}")
    line = {
        "cpu_us_per_request": round(middle[OURS], 1),
        "cpu_ratio_to_fasthttp": round(_ratio(cpu_us[OURS], cpu_us[FAST]), 3),
        "cpu_us": {name: round(value, 1) for name, value in middle.items()},
        "rounds": options.rounds,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
