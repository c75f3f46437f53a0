"""Two hosts with a worker each, a master on a third: the record against the schedule, and a worker that is killed.

    host a (worker) ── 10.123.1.0/24 ──┐
                                       ├── 10.123.0.1: master, service
    host b (worker) ── 10.123.2.0/24 ──┘

The hosts are network namespaces of this machine, gone afterwards: it needs root and `ip`. The last line is JSON, with
the reasons of both verdicts. The gate is there so that something is asked: without one the whole run could not pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_PASS
from flashdrill.load.schedule import arrivals
from flashdrill.model.history import read_ops
from flashdrill.plan.scenario import load_scenario
from tests.services.load_shop import Shop

IP = shutil.which("ip") or "/sbin/ip"
ROOT = Path(__file__).parents[1]
ADDRESS = "10.123.0.1"
PORT = 5557
HOSTS = {"flashdrill-a": 1, "flashdrill-b": 2}
PATIENCE_S = 90.0
KILL_AFTER_BYTES = 20_000

SCENARIO = f"""
name: two_hosts
locustfile: {ROOT / "scenarios" / "flash_sale.py"}
seed: 7
hosts: [{ADDRESS}]
world: {{users: 50, products: [{{sku: cold-1, price: "5.00", stock: 1000}}]}}
parameters: {{double_click_share: 0}}
stages:
  - {{name: first, duration: 2s, arrivals: {{browse: 40/s, order: 20/s}}}}
  - {{name: second, duration: 4s, arrivals: {{order: {{from: 20/s, to: 60/s}}}}}}
gates: [error_rate < 1%]
"""


def ip(*words: str) -> None:
    """Run `ip`, and say what it says when it fails."""
    subprocess.run([IP, *words], check=True)


@contextlib.contextmanager
def hosts() -> Iterator[None]:
    """Both hosts, connected to this one; nothing is left of them."""
    made: list[tuple[str, ...]] = []

    def make(*words: str, undo: tuple[str, ...] = ()) -> None:
        ip(*words)
        if undo:
            made.append(undo)

    try:
        own = (f"{ADDRESS}/32", "dev", "lo")
        make("addr", "add", *own, undo=("addr", "del", *own))
        for name, number in HOSTS.items():
            ours, theirs, net = f"fdrill{number}", f"fdrill{number}x", f"10.123.{number}"
            make("netns", "add", name, undo=("netns", "del", name))
            make("link", "add", ours, "type", "veth", "peer", "name", theirs)
            made.append(("link", "del", ours))
            ip("link", "set", theirs, "netns", name)
            ip("addr", "add", f"{net}.1/24", "dev", ours)
            ip("link", "set", ours, "up")
            inside = ("-n", name)
            ip(*inside, "addr", "add", f"{net}.2/24", "dev", theirs)
            ip(*inside, "link", "set", theirs, "up")
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "route", "add", "default", "via", f"{net}.1")
        yield
    finally:
        for undo in reversed(made):
            subprocess.run([IP, *undo], check=False)


async def run(out: Path, *, is_one_killed: bool) -> dict[str, Any]:
    """One run; its exit code, and what its record says."""
    scenario = out / "two_hosts.yaml"
    scenario.write_text(
        SCENARIO.replace("duration: 4s", "duration: 60s" if is_one_killed else "duration: 4s")
    )
    async with Shop().serving(ADDRESS) as shop:
        workers = [await worker(name) for name in HOSTS]
        options = ["--target", shop.url, "--no-chaos", "--yes", "--expect-workers", "2"]
        harness = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flashdrill.cli.main", "run", str(scenario), *options),
            *("--bind", f"{ADDRESS}:{PORT}", "--out", str(out / "runs")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                if is_one_killed:
                    await kill(workers[0], out)
                output, _ = await harness.communicate()
        finally:
            for process in (harness, *workers):
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    return {"exit_code": harness.returncode, "output": output.decode(), **found(out, scenario)}


async def worker(host: str) -> asyncio.subprocess.Process:
    """A worker on a host."""
    command = [sys.executable, "-P", "-m", "flashdrill.load.recruit", ADDRESS, str(PORT)]
    return await asyncio.create_subprocess_exec(IP, "netns", "exec", host, *command)


async def kill(process: asyncio.subprocess.Process, out: Path) -> None:
    """Kill a worker when both have handed something in."""
    while not has_handed_in(out):  # noqa: ASYNC110  (it is about files of other processes)
        await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)


def has_handed_in(out: Path) -> bool:
    """Whether each worker has handed something in."""
    sizes = [path.stat().st_size for path in out.glob("runs/*/ops-*.record")]
    return len(sizes) == len(HOSTS) and min(sizes) > KILL_AFTER_BYTES


def found(out: Path, path: Path) -> dict[str, Any]:
    """What the run's folder says, held against the schedule."""
    (folder,) = (path for path in (out / "runs").iterdir() if path.is_dir())
    ops = read_ops(folder / "ops.parquet").to_pylist()
    scenario = load_scenario(path, ())
    due = sorted(round(a.due_s * 1e9) for a in arrivals(scenario.stages, scenario.seed))
    t0_ns = json.loads((folder / "start.json").read_text())["t0_mono_ns"]
    came = sorted(op["due_ns"] - t0_ns for op in ops if op["is_arrival"])
    summary = json.loads((folder / "summary.json").read_text())
    told = summary["load"]["generator"].get("workers", [])
    return {
        "scheduled": len(due),
        "recorded": len(came),
        "is_exact": came == due,
        "reasons": summary["reasons"],
        "workers": sorted({op["worker"] for op in ops}),
        "clock_error_ms": [one["clock_error_ms"] for one in told],
    }


def is_good(whole: dict[str, Any], killed: dict[str, Any]) -> bool:
    """Whether the whole run passed with the record that the schedule has, and the other could not tell."""
    passed = whole["is_exact"] and whole["exit_code"] == EXIT_PASS
    could_not_tell = killed["is_named"] and killed["exit_code"] == EXIT_INCONCLUSIVE
    return bool(passed and could_not_tell)


def main() -> int:
    """Both runs; 0 when they show what they should."""
    with hosts(), tempfile.TemporaryDirectory() as place:
        ends: dict[str, dict[str, Any]] = {}
        for name, is_one_killed in (("whole", False), ("killed", True)):
            out = Path(place) / name
            out.mkdir()
            ends[name] = asyncio.run(run(out, is_one_killed=is_one_killed))
    words = " ".join(ends["killed"].pop("output").split())
    ends["killed"]["is_named"] = "was not heard of any more" in words
    del ends["whole"]["output"]
    good = is_good(**ends)
    print(json.dumps({"good": good, **ends}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
