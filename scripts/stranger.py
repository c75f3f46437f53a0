"""A stranger's shop, rehearsed as it is, careful and careless, and with the harness killed in mid-fault.

make stranger

The shop (tests/rehearsal/stranger/) is a plain aiohttp service with PostgreSQL behind a Toxiproxy. The last line is one
JSON object: what the runs found, and what the killed one left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from flashdrill.toxiproxy.client import Toxiproxy
from tests.rehearsal.stranger.place import Place, place

ROUNDS = 3
PATIENCE_S = 60.0
CLEAN_WITHIN_S = 10.0


def main() -> int:
    """Everything, one after another; 0 when all of it is as it must be."""
    found = [asyncio.run(_round(careless)) for _ in range(ROUNDS) for careless in (False, True)]
    killed = asyncio.run(_killed())
    careful = [run for run in found if not run["careless"]]
    careless = [run for run in found if run["careless"]]
    summary = {
        "careful_passed": sum(run["exit_code"] == 0 for run in careful),
        "careless_found": sum("sold-within-stock" in run["violated"] for run in careless),
        "rounds": ROUNDS,
        "oversold": [run["oversold"] for run in careless],
        "longest_run_s": max(run["seconds"] for run in found),
        "after_sigkill": killed,
    }
    print(json.dumps(summary))
    is_clean = not killed["toxics"] and not killed["processes"]
    good = summary["careful_passed"] == summary["careless_found"] == ROUNDS and is_clean
    return 0 if good else 1


async def _round(careless: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder), careless=careless) as where:
            began = time.monotonic()
            process = _start(where)
            exit_code = await asyncio.to_thread(process.wait, PATIENCE_S)
            seconds = round(time.monotonic() - began, 1)
        (path,) = (where.folder / "runs").glob("*/summary.json")
        summary = json.loads(path.read_text())
    answers = {i["name"]: i for i in summary["audit"]["invariants"]}
    violated = [name for name, answer in answers.items() if answer["status"] == "violated"]
    found = {
        "careless": careless,
        "exit_code": exit_code,
        "seconds": seconds,
        "violated": violated,
        "oversold": answers["sold-within-stock"]["found"],
        "reasons": summary["reasons"],
    }
    print(json.dumps(found), flush=True)
    return found


async def _killed() -> dict[str, Any]:
    """SIGKILL while the fault is in force: what is left of toxics and of our processes."""
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder)) as where:
            server = Toxiproxy(where.toxiproxy_url)
            process = _start(where)
            ours: list[psutil.Process] = []
            deadline = time.monotonic() + PATIENCE_S
            while not (await server.proxies())["shop-db"].toxics:
                if time.monotonic() > deadline:
                    raise TimeoutError("the fault was never made")
                await asyncio.sleep(0.05)
            ours = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            began = time.monotonic()
            await asyncio.to_thread(psutil.wait_procs, ours, CLEAN_WITHIN_S)
            toxics = (await server.proxies())["shop-db"].toxics
            return {
                "processes": len(_alive(ours)),
                "of": len(ours),
                "toxics": len(toxics),
                "clean_after_s": round(time.monotonic() - began, 2),
            }


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def _start(where: Place) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flashdrill.cli.main", "run", str(where.folder / "rush.yaml")]
    with (where.folder / "run.log").open("w") as log:
        return subprocess.Popen(
            [*command, *where.arguments, "--out", str(where.folder / "runs")],
            stdout=log,
            stderr=log,
            env={**os.environ, "SHOP_DSN": where.dsn},
            start_new_session=True,
        )


if __name__ == "__main__":
    sys.exit(main())
