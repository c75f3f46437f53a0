"""Whether the generator's memory stays flat however long a run is: millions of operations against a null server.

make bench-record

One process of the crowd, as a run starts it, sends orders until so many operations are in its record; the server
answers at once. Its resident memory is read every second; the median of the first tenth of the run (after its first
seconds) is compared with that of the last. Then the record becomes ops.parquet. The last line is one JSON object; what
was due and never sent is no operation that was recorded, and of more than MOST_UNSENT of it nothing is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from flashdrill.load import child
from flashdrill.load.record import to_parquet
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.scenario import Limits
from scripts.bench_load import LEAD_S, TIMEOUT_S, crowd_environment, null_server, order_spec

MB = 1 << 20
IN_FLIGHT = 2000
"""A fifth of a second's arrivals: the machine may be busy with something else for so long."""
LIFETIME_FACTOR = 2.0
"""The server stays for so many times as long as the schedule: a slow machine is late."""
MARGIN = 4.0
"""Poisson arrivals: so many standard deviations more are expected than are asked for."""
MOST_UNSENT = 0.001
SETTLED_S = 5.0
"""From then on it has its connections and its greenlets."""


@dataclass
class Course:
    """What was seen: resident memory by time since the start (seconds, bytes), and the crowd's last line."""

    resident: list[tuple[float, int]] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)

    @property
    def not_sent(self) -> int:
        """How many were due and never sent: each arrival is one operation."""
        return int(self.done["due"] - self.done["sent"])

    def is_whole(self, recorded: int, asked: int) -> bool:
        """Whether the crowd came to its end, sent nearly all that was due and as many as were asked for, was answered,
        and each is in the record."""
        due = self.done["due"]
        return (
            self.done["event"] == "done"
            and self.done["sent"] >= asked
            and recorded == self.done["sent"] + self.done["not_sent"]
            and self.done["ok"] == self.done["sent"]
            and 0 <= self.not_sent <= MOST_UNSENT * due
        )

    def resident_mb(self, start: float, end: float) -> float:
        """The median over a part of the run, given by shares of its length."""
        settled = [sample for sample in self.resident if sample[0] > SETTLED_S]
        part = settled[int(start * len(settled)) : max(1, int(end * len(settled)))]
        return statistics.median(size for _, size in part) / MB


def main() -> int:
    """Run, convert, print; 1 when the run was not whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000_000)
    parser.add_argument("--rate", type=float, default=10_000.0, help="a second")
    options = parser.parse_args()
    due = options.operations * (1 + MOST_UNSENT) + MARGIN * math.sqrt(options.operations)
    duration_s = due / options.rate
    lifetime_s = LIFETIME_FACTOR * duration_s + TIMEOUT_S
    with (
        tempfile.TemporaryDirectory(prefix="bench-record-") as place,
        null_server(lifetime_s) as port,
    ):
        folder = Path(place)
        url = f"http://127.0.0.1:{port}"
        spec = order_spec(folder, url, duration_s, options.rate)
        spec = msgspec.structs.replace(spec, limits=Limits(in_flight=IN_FLIGHT))
        course = asyncio.run(_run(spec, folder))
        began = time.monotonic()
        recorded = to_parquet(Path(spec.ops_path), folder / "ops.parquet")
        line = {
            "operations": int(course.done["sent"]),
            "not_sent": course.not_sent,
            "recorded": recorded,
            "resident_mb_first_tenth": round(course.resident_mb(0.0, 0.1), 1),
            "resident_mb_last_tenth": round(course.resident_mb(0.9, 1.0), 1),
            "resident_mb_most": round(max(size for _, size in course.resident) / MB, 1),
            "parquet_mb": round((folder / "ops.parquet").stat().st_size / MB, 1),
            "conversion_s": round(time.monotonic() - began, 1),
        }
    print(json.dumps(line))
    return 0 if course.is_whole(recorded, options.operations) else 1


async def _run(spec: CrowdSpec, folder: Path) -> Course:
    path = folder / "crowd.json"
    write_spec(spec, path)
    course = Course()
    process = await asyncio.create_subprocess_exec(
        *child.command(path), env=crowd_environment(path), stdout=subprocess.DEVNULL, stderr=None
    )
    try:
        await child.wait_ready(Path(spec.live_path), lambda: process.returncode is None)
        watched = psutil.Process(process.pid)
        child.start(Path(spec.start_path), time.monotonic_ns() + round(LEAD_S * 1e9))
        async for line in child.follow(Path(spec.live_path), lambda: process.returncode is None):
            if line["event"] == "second":
                course.resident.append((line["t_s"], watched.memory_info().rss))
                _tell(course, spec.duration_s)
            course.done = line
        await asyncio.wait_for(process.wait(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return course


def _tell(course: Course, duration_s: float) -> None:
    t_s, size = course.resident[-1]
    if len(course.resident) % 30 == 0:
        print(f"{t_s:8.0f} of {duration_s:.0f} s: {size / MB:.1f} MB resident", flush=True)


if __name__ == "__main__":
    sys.exit(main())
